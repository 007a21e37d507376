"""Reads the body of a request: JSON by its content type, and of a bounded size."""

import structlog
from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from app.ingress.refusals import RefusedError

log = structlog.get_logger()

JSON = "application/json"


def check_content_type() -> None:
    """Check that the body is JSON and is not compressed. Raises ``RefusedError`` (415)."""
    if request.mimetype != JSON:
        raise RefusedError(415, "unsupported_media_type", f"Send the body as Content-Type: {JSON}.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(415, "unsupported_encoding", "Send the body as it is, without Content-Encoding.")


def read_body(max_bytes: int) -> bytes:
    """Read a body of at most ``max_bytes``. Raises ``RefusedError`` (413, or 400 if it cannot be read)."""
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
