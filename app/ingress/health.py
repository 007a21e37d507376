"""``/healthz`` (is this process alive), ``/readyz`` (can it keep a callback), ``/metrics`` and ``/openapi.json``.

A callback can be kept while either Redis or the bucket answers. So an outage of one of them must not have a load
balancer take every ingress away; it only shows in the body of ``/readyz``.
"""

from collections.abc import Callable
from importlib.resources import files

from flask import Blueprint, Response, jsonify
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import CollectorRegistry
from redis import Redis

from app.ingress.metrics import LedgerCollector
from config.settings import Settings
from workers.bucket.documents import Documents
from workers.connections.bounded import Bounded
from workers.s3.client import open_client

#: Seconds that each of connecting and answering may take, for what can do without an answer.
SOCKET_TIMEOUT = 1
#: Seconds that ``/readyz`` waits for each part, resolving its name included.
_LOOK_SECONDS = 2.0


def blueprint(settings: Settings, redis: "Redis") -> Blueprint:
    """Make the routes that tell how things stand. None of them is authenticated, none tells a secret."""
    routes = Blueprint("health", __name__)
    documents = Documents(open_client(connect_timeout=SOCKET_TIMEOUT, read_timeout=2, attempts=1), settings.s3_bucket)
    description = (files("app") / "openapi.json").read_text()
    # One for each part: a part that hangs must not keep the other from being looked at.
    looking = {part: Bounded(_LOOK_SECONDS, at_once=4) for part in ("broker", "bucket")}
    registry = CollectorRegistry()
    registry.register(LedgerCollector(redis, settings.redis_max_bytes))

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @routes.get("/readyz")
    def readyz() -> Response:
        parts: dict[str, Callable[[], object]] = {"broker": redis.ping, "bucket": documents.check}
        reasons = {part: reason for part, check in parts.items() if (reason := _failure(looking[part], check))}
        status = "unready" if len(reasons) == len(parts) else "degraded" if reasons else "ready"
        answer = jsonify(status=status, reasons=reasons) if reasons else jsonify(status=status)
        answer.status_code = 503 if status == "unready" else 200
        return answer

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(description, content_type="application/json")

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes


def _failure(looking: Bounded, check: Callable[[], object]) -> str:
    """Give the kind of error of a check, or nothing. The error's own text could hold an address or a secret."""
    try:
        looking.call(check)
    except Exception as error:  # noqa: BLE001 - whatever it is, the part does not work
        return getattr(error, "detail", "") or type(error).__name__
    return ""
