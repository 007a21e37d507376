"""Refusals of requests: a JSON answer with a status, a fixed reason word and advice, a log event and a counter."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import structlog
from flask import Flask, Response, g, jsonify
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from app.ingress.request_ids import HEADER

log = structlog.get_logger()


class RefusedError(Exception):
    """The request is refused. ``reason`` is a fixed word; ``detail`` tells the sender what to change.

    ``faults`` has a line for each fault of a body that has several.
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, retry_after: int | None = None, faults: Sequence[str] = ()
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
        self.faults = faults


#: (status, reason, number) → added to the counters of /metrics; raises redis-py's errors
Add = Callable[[str, str, int], object]


class RefusalCounter:
    """Counts refusals here and adds them to the ledger every few seconds, so a flood of them does not load Redis."""

    INTERVAL = 5.0

    def __init__(self, add: Add) -> None:
        self._add = add
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._pending = False

    def count(self, status: int, reason: str) -> None:
        """Count one refusal."""
        with self._lock:
            self._counts[str(status), reason] += 1
            if self._pending:
                return
            self._pending = True
        timer = threading.Timer(self.INTERVAL, self.flush)
        timer.daemon = True
        timer.start()

    def flush(self) -> None:
        """Add the counts to the ledger. Counts that Redis does not take are added with the next."""
        with self._lock:
            counts, self._counts, self._pending = self._counts, Counter(), False
        for (status, reason), number in counts.items():
            try:
                self._add(status, reason, number)
            except RedisError:
                with self._lock:
                    self._counts[status, reason] += number


def register_refusals(app: Flask, add: Add) -> None:
    """Answer refusals, Werkzeug's HTTP errors and unexpected errors in JSON. All are logged, the first two counted."""
    counter = RefusalCounter(add)

    def note(status: int, reason: str) -> None:
        counter.count(status, reason)
        log.warning("request_refused", status=status, reason=reason)

    def refused(error: RefusedError) -> Response:
        note(error.status, error.reason)
        return _answer(error.status, error.reason, error.detail, retry_after=error.retry_after, faults=error.faults)

    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        reason = error.name.lower().replace(" ", "_")
        note(status, reason)
        answer = _answer(status, reason, error.description or error.name)
        for name, value in error.get_headers():
            if name == "Allow":
                answer.headers[name] = value
        return answer

    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, _unexpected)


def _unexpected(error: Exception) -> Response:
    log.error("request_failed", error=type(error).__name__, exc_info=error)
    return _answer(503, "unavailable", "Stemvault could not take this now; send it again.", retry_after=30)


def _answer(
    status: int, reason: str, detail: str, *, retry_after: int | None = None, faults: Sequence[str] = ()
) -> Response:
    answer = jsonify(error=reason, detail=detail, **({"faults": list(faults)} if faults else {}))
    answer.status_code = status
    if request_id := g.get("request_id"):
        answer.headers[HEADER] = request_id
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
