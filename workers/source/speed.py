"""Limits on how slow a source may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workers.connections.attempt import Attempt
from workers.errors import AssetError, TransientError


@dataclass(frozen=True, slots=True)
class LowSpeed:
    """A source is too slow if it sends less than this for so long: curl's ``--speed-limit`` and ``--speed-time``."""

    bytes_a_second: int
    seconds: float


class SpeedCheck:
    """Measures the speed of one source over periods of ``LowSpeed.seconds``.

    Only the time in which the worker waits for the source counts, not the time in which it waits for S3. Held by
    ``test_a_source_that_this_side_lets_wait_is_not_called_slow``.
    """

    def __init__(self, limit: LowSpeed) -> None:
        self._limit = limit
        self._waited, self._received, self._total = 0.0, 0, 0

    def add(self, received: int, waited: float) -> None:
        """Count bytes that arrived within ``waited`` seconds. Raises ``TransientError`` (``slow``)."""
        self._waited += waited
        self._received += received
        self._total += received
        if self._waited < self._limit.seconds:
            return
        if self._received < self._limit.bytes_a_second * self._waited:
            raise TransientError("slow", f"{self._received} bytes within {self._waited:.0f} s; {self._total} in all")
        self._waited, self._received = 0.0, 0


@contextmanager
def slow_if_over(attempt: Attempt) -> Iterator[None]:
    """Turn any ``AssetError`` into ``TransientError`` (``slow``) if the attempt's time is over: that is its cause."""
    try:
        yield
    except AssetError as error:
        if not attempt.is_over:
            raise
        raise TransientError("slow", f"{attempt.why_over} ({error.detail})") from None
