"""``/healthz`` (is this process alive), ``/readyz`` (can it keep a callback), ``/metrics`` and ``/openapi.json``."""

from collections.abc import Callable
from importlib.resources import files

from flask import Blueprint, Response, jsonify
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import CollectorRegistry
from redis import Redis

from app.metrics import LedgerCollector
from config.settings import Settings
from workers.store import Store, open_client

#: Seconds that each of connecting and answering may take, for what can do without an answer.
SOCKET_TIMEOUT = 1


def blueprint(settings: Settings, redis: "Redis") -> Blueprint:
    """Make the routes that tell how things stand. None of them is authenticated, none tells a secret."""
    routes = Blueprint("health", __name__)
    store = Store(open_client(connect_timeout=SOCKET_TIMEOUT, read_timeout=2, attempts=1), settings.s3_bucket)
    description = (files("app") / "openapi.json").read_text()
    registry = CollectorRegistry()
    registry.register(LedgerCollector(redis))

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @routes.get("/readyz")
    def readyz() -> Response:
        reasons = {**_failure("broker", redis.ping), **_failure("bucket", store.check)}
        answer = jsonify(status="unready", reasons=reasons) if reasons else jsonify(status="ready")
        answer.status_code = 503 if reasons else 200
        return answer

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(description, content_type="application/json")

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes


def _failure(part: str, check: Callable[[], object]) -> dict[str, str]:
    """Give ``{part: kind of error}`` or nothing. The error's own text could hold an address or a secret."""
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why we are not ready
        return {part: getattr(error, "detail", "") or type(error).__name__}
    return {}
