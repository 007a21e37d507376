"""``POST /callbacks``: authenticate, check type and size, enqueue, answer 200."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request

from app.ingress.authentication import Authenticator
from app.ingress.bodies import JSON, check_content_type, read_body
from app.ingress.keeping.batching import PublishError
from app.ingress.keeping.safekeeping import Publish
from app.ingress.refusals import RefusedError
from workers.callbacks import parse_body, task_id_of
from workers.errors import UnreadableCallbackError

log = structlog.get_logger()

_RETRY_AFTER = 10
_RECEIVED = b'{"status":"received"}\n'


def blueprint(authenticator: Authenticator, max_bytes: int, publish: Publish, now: Callable[[], float]) -> Blueprint:
    """Make the routes that accept callbacks of at most ``max_bytes``; ``now`` returns unix seconds."""
    routes = Blueprint("callbacks", __name__)

    @routes.post("/callbacks")
    @routes.post("/callbacks/<token>")
    def receive(token: str | None = None) -> Response:
        received_at = now()
        authenticator.check_request(token, request.headers, received_at)
        check_content_type()
        body = read_body(max_bytes)
        task_id = _task_id(body)
        authenticator.check_body(task_id, request.headers)
        try:
            publish(body.decode(), received_at)
        except PublishError as error:
            log.error("callback_not_accepted", task_id=task_id, reason=str(error))  # noqa: TRY400 - the reason is enough, no traceback
            raise RefusedError(
                503, "unavailable", "The callback could not be kept; send it again.", retry_after=_RETRY_AFTER
            ) from None
        log.info("callback_received", task_id=task_id, bytes=len(body))
        return Response(_RECEIVED, mimetype=JSON)

    return routes


def _task_id(body: bytes) -> str:
    """Find the task id, which the signature covers. Nothing else in the body is interpreted here."""
    try:
        return task_id_of(parse_body(body))
    except UnreadableCallbackError as error:
        raise RefusedError(400, "bad_callback", str(error)) from None
