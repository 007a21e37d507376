"""Which requests are refused, and a log of all of them: API key, limits, and moods that tests switch on."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.embedded.provider.options import TASK_LIMITS, TOO_OFTEN, Options
from app.embedded.provider.shapes.catalogue import POLLED

#: Texts of the codes in the envelope of refusals.
MESSAGES: Mapping[int, str] = {
    401: "You do not have access permissions",
    402: "Insufficient credits",
    404: "Not found",
    405: "Call limit exceeded",
    422: "url is wrong",
    429: "Rate limited",
    430: "Your call frequency is too high.",
    455: "Maintenance",
    500: "Server error",
    505: "This feature is switched off",
}
_MAX_KEPT = 100_000


@dataclass(frozen=True)
class Mood:
    """A fault that a test switches on. By default there is none. Times are real seconds."""

    code: int = 0
    """Refuse with HTTP 200 and this code in the envelope: 455 for maintenance, 402, 429, 500, 505 …"""
    status: int = 0
    """Answer with this HTTP status and an HTML page."""
    wait: float = 0.0
    """Wait so long before the answer."""
    redirect: str = ""
    """Redirect to the same path and query of this base URL."""
    body: bytes | None = None
    """Answer HTTP 200 with this body in place of JSON from the provider."""
    drip: float = 0.0
    """Wait so long before each byte of the answer."""
    endless: bool = False
    """Send a body that never ends."""
    path: str = ""
    """Only requests whose path below ``/api/v1/`` begins so."""
    times: int | None = None
    """Only so many requests."""


NO_FAULT = Mood()


@dataclass(frozen=True)
class Request:
    """One request to the API."""

    time: float
    """Unix seconds of the provider's clock."""
    method: str
    path: str
    """Below ``/api/v1/``, without the query."""
    task_id: str
    """The task that is polled; empty for other requests."""
    authorized: bool
    """Whether it had the right key."""
    has_credentials: bool
    """Whether it had any ``Authorization``."""
    code: int = 0
    """The refusal's code; 0 for none."""


class RequestLog:
    """The newest requests, the oldest first. Safe for threads; keeps at most 100,000."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=_MAX_KEPT)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: Request) -> None:
        """Log a request."""
        with self._lock:
            self._requests.append(request)

    def of(self, task_id: str) -> list[Request]:
        """List the requests for a task."""
        return [request for request in self if request.task_id == task_id]

    def peak(self, seconds: float = 1.0, **fields: Any) -> int:  # noqa: ANN401 - the fields of ``Request``
        """Give the highest number of requests in any window of this length, such as ``peak(task_id="a")``.

        A window contains its first moment and not its last one.
        """
        window: deque[float] = deque()
        highest = 0
        for moment in sorted(each.time for each in self if _fits(each, fields)):
            window.append(moment)
            while window[0] <= moment - seconds:
                window.popleft()
            highest = max(highest, len(window))
        return highest

    def accepted_since(self, moment: float, task_id: str | None = None) -> int:
        """Count the requests after a moment (Unix seconds) that were not refused: all, or those for one task."""
        with self._lock:
            recent = 0
            for request in reversed(self._requests):
                if request.time <= moment:
                    break
                recent += not request.code and task_id in {None, request.task_id}
            return recent


def _fits(request: Request, fields: Mapping[str, Any]) -> bool:
    return all(getattr(request, name) == value for name, value in fields.items())


class Admission:
    """Decides on requests. Safe for threads."""

    def __init__(self, options: Options) -> None:
        self.log = RequestLog()
        self._options = options
        self._mood = NO_FAULT
        self._lock = threading.Lock()

    def set_mood(self, mood: Mood) -> None:
        """Switch a fault on; ``Mood()`` switches it off."""
        with self._lock:
            self._mood = mood

    def decide(self, request: Request) -> tuple[int, Mood]:
        """Log the request; give the code of its refusal, 0 for none, and the mood that its answer shows."""
        with self._lock:
            mood = self._take_mood(request.path)
            code = self._refusal(request, mood)
            self.log.add(replace(request, code=code))
        return code, mood

    def _take_mood(self, path: str) -> Mood:
        mood = self._mood
        if not path.startswith(mood.path) or mood.times == 0:
            return NO_FAULT
        if mood.times is not None:
            self._mood = replace(mood, times=mood.times - 1)
        return mood

    def _refusal(self, request: Request, mood: Mood) -> int:
        if not request.authorized:
            return 401
        if mood.code:
            return mood.code
        a_second_ago = request.time - 1
        limit = self._options.rate_limit
        if limit is not None and self.log.accepted_since(a_second_ago) >= limit:
            return TOO_OFTEN[self._options.kind]
        family = POLLED.get(request.path)
        task_limit = family and TASK_LIMITS[self._options.kind].get(family.name)
        if task_limit and self.log.accepted_since(a_second_ago, request.task_id) >= task_limit:
            return TOO_OFTEN[self._options.kind]
        return 0
