"""``/healthz`` (is this process alive), ``/readyz`` (can it store a callback), ``/metrics`` and ``/openapi.json``.

A callback can be stored while either Redis or the bucket answers. So if one of them is down, ``/readyz`` still answers
200, and a load balancer keeps the ingress; only the body names the component that is down.
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

#: Time limit in seconds for each of connecting and answering, for requests whose failure does no harm.
SOCKET_TIMEOUT = 1
#: Seconds that ``/readyz`` waits for each component, with name resolution.
_CHECK_SECONDS = 2.0


def blueprint(settings: Settings, redis: "Redis") -> Blueprint:
    """Make the routes for probes. They need no authentication and show no secrets."""
    routes = Blueprint("health", __name__)
    documents = Documents(open_client(connect_timeout=SOCKET_TIMEOUT, read_timeout=2, attempts=1), settings.s3_bucket)
    description = (files("app") / "openapi.json").read_text()
    # One for each component, so that one that hangs does not block the check of the other.
    checking = {name: Bounded(_CHECK_SECONDS, at_once=4) for name in ("broker", "bucket")}
    registry = CollectorRegistry()
    registry.register(LedgerCollector(redis, settings.redis_max_bytes))

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @routes.get("/readyz")
    def readyz() -> Response:
        checks: dict[str, Callable[[], object]] = {"broker": redis.ping, "bucket": documents.check}
        reasons = {name: reason for name, check in checks.items() if (reason := _failure(checking[name], check))}
        status = "unready" if len(reasons) == len(checks) else "degraded" if reasons else "ready"
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


def _failure(checking: Bounded, check: Callable[[], object]) -> str:
    """Return the kind of error of a check, or nothing. The error's own text could contain an address or a secret."""
    try:
        checking.call(check)
    except Exception as error:  # noqa: BLE001 - with any error, the component is not usable
        return getattr(error, "detail", "") or type(error).__name__
    return ""
