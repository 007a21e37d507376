"""An end to an attempt that no source can move: when the time is over, the attempt's connections are shut down.

A socket's time limit begins anew with each byte, so a source that drips headers, redirects, `100 Continue` or empty
chunks could hold its reader for ever. A shutdown wakes whoever waits for the socket, in whichever library that is.
"""

import heapq
import itertools
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.timeout import _DEFAULT_TIMEOUT

from workers.connections.bounded import Bounded
from workers.connections.chunks import StrictResponse

Result = TypeVar("Result")

#: Resolving a name may take so long, in seconds; a resolver's own limits are longer.
LOOKUP_SECONDS = 10.0
#: Names that are resolved at a time. One whose time is over still has its thread until the resolver gives up.
_LOOKUPS = 64
#: What is asked of the bucket outside a transfer ends after so many seconds, and so does clearing up behind one.
ASK_SECONDS, CLEAR_SECONDS = 60.0, 10.0
#: So often, in seconds, somebody looks whether an attempt must end.
_LOOK_SECONDS = 1.0
#: A thread with nothing to do stays so long, in seconds: the next attempt begins soon as a rule.
_IDLE_SECONDS = 10.0


def never() -> bool:
    """Tell that nobody must stop."""
    return False


class Attempt:
    """The connections of one attempt, and whether its time is over.

    It ends after ``seconds`` in all, when one step of it waits longer than ``patience`` seconds for the source, and
    when ``must_stop`` says so.
    """

    def __init__(self, seconds: float, patience: float, must_stop: Callable[[], bool] = never) -> None:
        self._must_stop = must_stop
        self._ends_at = time.monotonic() + seconds
        self._patience = patience
        self._waits_since: float | None = None
        self.why_over = "not done within TRANSFER_TIMEOUT"
        self.is_over = False
        self._connections: dict[socket.socket, bool] = {}
        """Each with whether it goes to the bucket."""
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """How many seconds it may still take."""
        return max(0.0, self._ends_at - time.monotonic())

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a step that waits for the source and ends when it gives something: an answer, or some of a body."""
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self._waits_since = None

    def look(self) -> float:
        """End the attempt if its time is over; give after how many seconds to look again, 0 for never."""
        since = self._waits_since
        patience = self._patience if since is None else since + self._patience - time.monotonic()
        left = min(patience, self._ends_at - time.monotonic())
        if left <= 0 or self._must_stop():
            if patience <= 0:
                self.why_over = "it gave nothing for LOW_SPEED_TIME"
            self.cut()
            return 0.0
        return min(left, _LOOK_SECONDS)

    def add(self, used: socket.socket, *, to_store: bool = False) -> socket.socket:
        """Have a socket's connection end with the attempt; it ends at once if the time is over. Give what holds it.

        That is a second handle to it: TLS takes the socket over, and a body without a length outlives the socket.
        """
        connection = socket.socket(used.family, used.type, used.proto, fileno=os.dup(used.fileno()))
        with self._lock:
            self._connections[connection] = to_store
            if self.is_over:
                _shut_down(connection)
        return connection

    def drop(self, connection: socket.socket) -> None:
        """Let go of a connection, which another attempt may use from now on."""
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
        """Let go of the connections to the source, which is asked anew."""
        with self._lock:
            for connection in [each for each, to_store in self._connections.items() if not to_store]:
                del self._connections[connection]
                connection.close()

    def forget(self) -> None:
        """Let go of all connections."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Timers:
    """Calls functions at their times, from one thread, which lives while there is something to call."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def after(self, seconds: float, call: Callable[[], object]) -> Callable[[], None]:
        """Call a function, which must not wait, after so many seconds; give what cancels that."""
        entry = (time.monotonic() + seconds, next(self._numbers), call)
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="hard-ends", daemon=True)
                thread.start()
                self._thread = thread
            heapq.heappush(self._due, entry)
            if self._due[0] is entry:
                self._changed.notify()

        def cancel() -> None:
            with self._changed, suppress(ValueError):
                self._due.remove(entry)
                heapq.heapify(self._due)

        return cancel

    def again_and_again(self, call: Callable[[], float], seconds: float) -> Callable[[], None]:
        """Call a function after so many seconds, and again after as many as it gives, until that is 0.

        Give what cancels that.
        """
        cancels: list[Callable[[], None]] = []
        is_wanted = True

        def call_again() -> None:
            if is_wanted and (seconds := call()):
                cancels[:] = [self.after(seconds, call_again)]

        def stop() -> None:
            nonlocal is_wanted
            is_wanted = False
            for cancel in cancels:
                cancel()

        cancels.append(self.after(seconds, call_again))
        return stop

    def _run(self) -> None:
        while True:
            with self._changed:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    if not self._changed.wait(_IDLE_SECONDS if wait is None else wait) and not self._due:
                        self._thread = None
                        return
                    continue
                _, _, call = heapq.heappop(self._due)
            call()


class _OfThisProcess:
    """What a fork must not take over: threads stay behind."""

    def __init__(self) -> None:
        self.timers = _Timers()
        self.lookups = Bounded(LOOKUP_SECONDS, at_once=_LOOKUPS)


_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
_own = _OfThisProcess()
os.register_at_fork(after_in_child=_own.__init__)  # type: ignore[misc]  # made anew, in its place


@contextmanager
def cut_off_after(
    seconds: float, *, patience: float = math.inf, must_stop: Callable[[], bool] = never
) -> Iterator[Attempt]:
    """Shut down all connections that are used within the block, in this context, when its attempt ends.

    Those to the bucket are among them (``STORE_POOLS``).
    """
    attempt = Attempt(seconds, patience, must_stop)
    cancel = _own.timers.again_and_again(attempt.look, min(seconds, patience, _LOOK_SECONDS))
    outer = _current.set(attempt)
    try:
        yield attempt
    finally:
        cancel()
        attempt.forget()
        _current.reset(outer)


@contextmanager
def apart() -> Iterator[None]:
    """Use connections that do not end with the attempt, but soon: for what it leaves behind to be cleared up."""
    with cut_off_after(CLEAR_SECONDS):
        yield


@contextmanager
def cut_off_outside_attempts(must_stop: Callable[[], bool]) -> Iterator[None]:
    """Shut down what is used within the block after ``ASK_SECONDS``, unless it belongs to an attempt already."""
    if _current.get():
        yield
        return
    with cut_off_after(ASK_SECONDS, must_stop=must_stop):
        yield


def looked_up(look_up: Callable[[], Result]) -> Result:
    """Resolve a name within ``LOOKUP_SECONDS``, or what is left of the attempt. Raises ``TimeoutError``."""
    attempt = _current.get()
    return _own.lookups.call(look_up, within=min(LOOKUP_SECONDS, attempt.left if attempt else LOOKUP_SECONDS))


class _Tracked(HTTPConnection):
    """A connection that ends with the attempt that uses it."""

    response_class = StrictResponse
    _goes_to_store = False
    _held: tuple[Attempt, socket.socket] | None = None

    def _new_conn(self) -> socket.socket:
        # With addresses inside our own network allowed, nobody has resolved the name before.
        try:
            looked_up(lambda: socket.getaddrinfo(self.host.strip("[]"), self.port))
        except TimeoutError as error:
            raise NewConnectionError(self, str(error)) from None
        except OSError:
            pass  # urllib3 says it better
        connection = super()._new_conn()
        self._belongs_to_attempt(connection)
        return connection

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as urllib3 has it
        if self.sock:  # kept from an earlier attempt
            self._belongs_to_attempt(self.sock)
        super().request(*args, **kwargs)

    def _belongs_to_attempt(self, connection: socket.socket) -> None:
        self.is_free()
        if attempt := _current.get():
            self._held = attempt, attempt.add(connection, to_store=self._goes_to_store)

    def is_free(self) -> None:
        """Let go of the attempt: the connection goes back to its pool."""
        if self._held:
            attempt, connection = self._held
            attempt.drop(connection)
            self._held = None


class _TrackedTLS(_Tracked, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Tracked

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - as urllib3 has it
        _let_go(conn)
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TrackedTLS


def _let_go(connection: object) -> None:
    """Before another attempt can use a connection, this one lets go of it, or its end would be the other's."""
    if isinstance(connection, _Tracked) and connection.sock:
        connection.is_free()


class _ToStore(_Tracked):
    """A connection to the bucket. A body may be sent as slowly as an answer may come.

    urllib3 lets the time limit for connecting hold until the answer is read, so a thin uplink failed with every body.
    """

    _goes_to_store = True
    send_timeout: float | None = None

    def connect(self) -> None:
        """Connect, TLS included, within the limit for connecting."""
        super().connect()
        self.sock.settimeout(self.send_timeout)


class _ToStoreTLS(_ToStore, HTTPSConnection):
    pass


class _StorePool(_Pool):
    ConnectionCls = _ToStore

    def _make_request(self, conn: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as urllib3 has it
        conn.send_timeout = self._get_timeout(kwargs.get("timeout", _DEFAULT_TIMEOUT)).read_timeout
        return super()._make_request(conn, *args, **kwargs)


class _StoreTLSPool(_StorePool, HTTPSConnectionPool):
    ConnectionCls = _ToStoreTLS


#: For ``PoolManager.pool_classes_by_scheme``: for sources, and for the bucket.
POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}
STORE_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _StorePool, "https": _StoreTLSPool}
