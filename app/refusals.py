"""How a request is turned down: a status, a fixed reason word, and what to do about it, as JSON."""

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

log = structlog.get_logger()


class RefusedError(Exception):
    """The request is not accepted. ``reason`` is a fixed word; ``detail`` says what to change."""

    def __init__(self, status: int, reason: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after


def register_refusals(app: Flask) -> None:
    """Make every refusal, whoever raises it, a JSON answer and a log line."""
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _refused(error: RefusedError) -> Response:
    log.warning("request_refused", status=error.status, reason=error.reason)
    return _answer(error.status, error.reason, error.detail, retry_after=error.retry_after)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    reason = error.name.lower().replace(" ", "_")
    answer = _answer(status, reason, error.description or error.name)
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> Response:
    log.error("request_failed", error=type(error).__name__, exc_info=error)
    return _answer(503, "unavailable", "Stemvault could not take this now; send it again.", retry_after=30)


def _answer(status: int, reason: str, detail: str, *, retry_after: int | None = None) -> Response:
    answer = jsonify(error=reason, detail=detail)
    answer.status_code = status
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
