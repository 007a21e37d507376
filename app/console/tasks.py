"""``POST /tasks`` registers submitted tasks for watching; ``GET /tasks/<id>`` gives a task's state."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError

from app.console.entries import read_entries, task_id_fault
from app.ingress.bodies import check_content_type, read_body
from app.ingress.refusals import RefusedError
from config.settings import Settings
from workers.connections.bounded import Bounded
from workers.ledger.ledger import Ledger
from workers.manifest import status
from workers.watching.watches import Watch, Watches

log = structlog.get_logger()

Result = TypeVar("Result")

#: Time limit in seconds for all that one request asks of Redis, and how many requests may wait for Redis at once.
_REDIS_SECONDS, _AT_ONCE = 5.0, 16
_RETRY_AFTER = 10


def blueprint(settings: Settings, watches: Watches, ledger: Ledger) -> Blueprint:
    """Make the routes about watched tasks."""
    routes = Blueprint("tasks", __name__)
    asking = Bounded(_REDIS_SECONDS, at_once=_AT_ONCE)

    @routes.post("/tasks")
    def register() -> tuple[Response, int]:
        check_content_type()
        tasks = read_entries(read_body(settings.max_callback_bytes))
        _asked(asking, lambda: watches.add_all(tasks, "watch", after=watches.interval))
        log.info("tasks_registered", tasks=len(tasks))
        missing = settings.missing_for_provider
        return jsonify(watching=len(tasks), **({"missing": missing} if missing else {})), 202

    @routes.get("/tasks/<task_id>")
    def tell(task_id: str) -> Response:
        if fault := task_id_fault(task_id):
            raise RefusedError(400, "bad_task_id", f"The task id {fault}.")
        known = _asked(asking, lambda: _known(watches, ledger, task_id))
        if known["watch"] is None and known["status"] is None:
            raise RefusedError(404, "unknown_task", "The task is not watched, and no callback has named it lately.")
        return jsonify(known)

    return routes


def _asked(asking: Bounded, work: Callable[[], Result]) -> Result:
    try:
        return asking.call(work)
    except (RedisError, OSError) as error:
        log.warning("redis_did_not_answer", error=type(error).__name__)
        raise RefusedError(
            503, "redis_unavailable", "Redis did not answer; send it again.", retry_after=_RETRY_AFTER
        ) from None


def _known(watches: Watches, ledger: Ledger, task_id: str) -> dict[str, Any]:
    """Give the watch of a task and its status in the ledger, each None if it is unknown."""
    watch = next(watches.states([task_id]))
    snapshot = ledger.snapshot(task_id)
    return {
        "task_id": task_id,
        "watch": _described(watch, watches.next_request(task_id)) if watch else None,
        "status": status(snapshot) if snapshot else None,
    }


def _described(watch: Watch, next_request: float | None) -> dict[str, Any]:
    """Put a watch into JSON, with times in ISO 8601 and UTC."""
    return {
        "state": "ended" if watch.outcome else "watching",
        "family": watch.family or None,
        "purpose": watch.purpose,
        "since": _iso(watch.since),
        "requests": watch.asked,
        "next_request": None if next_request is None else _iso(next_request),
        "outcome": watch.outcome,
        "reason": watch.reason or None,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
