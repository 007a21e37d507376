"""``POST /callbacks``: authenticate, check type and size, enqueue, answer 200."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.ingress.authentication import Authenticator
from app.ingress.keeping.batching import PublishError
from app.ingress.keeping.safekeeping import Publish
from app.ingress.refusals import RefusedError
from workers.callbacks import parse_body, task_id_of
from workers.errors import UnreadableCallbackError

log = structlog.get_logger()

_JSON = "application/json"
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
        _check_content_type()
        body = _body(max_bytes)
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
        return Response(_RECEIVED, mimetype=_JSON)

    return routes


def _check_content_type() -> None:
    if request.mimetype != _JSON:
        raise RefusedError(415, "unsupported_media_type", f"Send the callback as Content-Type: {_JSON}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.")


def _body(max_bytes: int) -> bytes:
    body: bytes | None = None
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        pass
    except Exception as error:  # noqa: BLE001 - each server has its own errors for a body that is cut off or badly framed
        log.warning("body_unreadable", error=type(error).__name__)
        raise RefusedError(400, "unreadable_body", "The body broke off, or its framing is wrong.") from None
    if body is None or len(body) > max_bytes:
        raise RefusedError(413, "too_large", f"The body is longer than the {max_bytes} bytes that are taken.")
    return body


def _task_id(body: bytes) -> str:
    """Find the task id, which the signature covers. Nothing else in the body is interpreted here."""
    try:
        return task_id_of(parse_body(body))
    except UnreadableCallbackError as error:
        raise RefusedError(400, "bad_callback", str(error)) from None
