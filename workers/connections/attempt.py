"""A hard limit for one attempt: when its time is over, its connections are shut down.

A socket's own time limit begins anew with each byte, so a source that sends headers, redirects, `100 Continue` or empty
chunks slowly could block its reader without limit. `shutdown()` on the socket wakes the reader in any library.
Held by ``test_an_attempt_ends_when_its_time_is_over``.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from workers.connections.watchdog import Watchdog

#: Seconds for a request to the bucket outside an attempt, and for the clean-up after an attempt.
ASK_SECONDS, CLEAR_SECONDS = 60.0, 10.0
#: Seconds between two checks of whether an attempt must end.
_CHECK_SECONDS = 1.0


def never() -> bool:
    """Return False: nothing asks for a stop."""
    return False


class Attempt:
    """The connections of one attempt, and whether its time is over.

    It ends after ``seconds`` in all, when one step waits longer than ``patience`` seconds for the source, or when
    ``must_stop`` returns True.
    """

    def __init__(self, seconds: float, patience: float, must_stop: Callable[[], bool] = never) -> None:
        self._must_stop = must_stop
        self._ends_at = time.monotonic() + seconds
        self._patience = patience
        self._waits_since: float | None = None
        self.why_over = "not done within TRANSFER_TIMEOUT"
        self.is_over = False
        self._connections: dict[socket.socket, bool] = {}
        """Handles of sockets. The value tells whether the connection goes to the bucket."""
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self._ends_at - time.monotonic())

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a step that waits for the source: until its answer, or the next bytes of a body, arrive."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None

    def look(self) -> float:
        """End the attempt if its time is over. Return the seconds until the next check, 0 for none."""
        since = self._waits_since
        patience = self._patience if since is None else since + self._patience - time.monotonic()
        left = min(patience, self._ends_at - time.monotonic())
        if left <= 0 or self._must_stop():
            if patience <= 0:
                self.why_over = "no bytes came for LOW_SPEED_TIME"
            self.cut()
            return 0.0
        return min(left, _CHECK_SECONDS)

    def add(self, used: socket.socket, *, to_store: bool = False) -> socket.socket:
        """Shut this socket's connection down when the attempt ends; at once if it has ended. Return the handle.

        The handle is a duplicate descriptor: TLS replaces the socket object, and a body without a length outlives it.
        """
        connection = socket.socket(used.family, used.type, used.proto, fileno=os.dup(used.fileno()))
        with self._lock:
            self._connections[connection] = to_store
            if self.is_over:
                _shut_down(connection)
        return connection

    def drop(self, connection: socket.socket) -> None:
        """Close the handle: another attempt may use the connection from now on."""
        with self._lock:
            self._connections.pop(connection, None)
            connection.close()

    def cut(self) -> None:
        """End the attempt."""
        with self._lock:
            self.is_over = True
            for connection in self._connections:
                _shut_down(connection)

    def forget_source(self) -> None:
        """Close the handles of connections to the source, before it is asked again."""
        with self._lock:
            for connection in [each for each, to_store in self._connections.items() if not to_store]:
                del self._connections[connection]
                connection.close()

    def forget(self) -> None:
        """Close all handles."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
_watchdog = Watchdog()
# A forked process does not have the parent's threads.
os.register_at_fork(after_in_child=_watchdog.__init__)  # type: ignore[misc]  # initialised again, in place


def current_attempt() -> Attempt | None:
    """Return the attempt of this context, None outside of any."""
    return _current.get()


@contextmanager
def cut_off_after(
    seconds: float, *, patience: float = math.inf, must_stop: Callable[[], bool] = never
) -> Iterator[Attempt]:
    """Open an attempt: its end shuts down all connections that this context uses within the block.

    That covers connections of ``POOLS`` and ``STORE_POOLS`` (``workers.connections.pools``).
    """
    attempt = Attempt(seconds, patience, must_stop)
    cancel = _watchdog.repeat(attempt.look, min(seconds, patience, _CHECK_SECONDS))
    outer = _current.set(attempt)
    try:
        yield attempt
    finally:
        cancel()
        attempt.forget()
        _current.reset(outer)


@contextmanager
def apart() -> Iterator[None]:
    """Use connections with a limit of their own, ``CLEAR_SECONDS``: for the clean-up after an attempt that ended."""
    with cut_off_after(CLEAR_SECONDS):
        yield


@contextmanager
def cut_off_outside_attempts(must_stop: Callable[[], bool]) -> Iterator[None]:
    """Limit the block to ``ASK_SECONDS``, unless it runs within an attempt already."""
    if _current.get():
        yield
        return
    with cut_off_after(ASK_SECONDS, must_stop=must_stop):
        yield
