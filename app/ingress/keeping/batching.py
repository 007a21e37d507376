"""Stores callbacks in Redis, in batches: one round trip for all that arrive while the last batch is being sent."""

import threading
import time
from collections.abc import Callable

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionFailedError
from redis.exceptions import RedisError
from redis.retry import Retry

from workers.connections.bounded import Bounded
from workers.dispatch.queues import CALLBACKS
from workers.dispatch.wake_ups import wake_up_template
from workers.intake.fullness import RedisMemory
from workers.intake.received import ReceivedCallbacks

#: Time limit in seconds for each of connecting, sending and receiving.
SOCKET_TIMEOUT = 0.4
#: Bytes of Redis's memory that a callback takes beside its body: entries in a hash and a sorted set.
_BYTES_BESIDE = 400
#: Time limit in seconds for connecting as a whole, with name resolution, TLS and login.
CONNECT_SECONDS = 0.5


class PublishError(Exception):
    """The callback was not stored. The message is the kind of error, without any address."""


class BrokerFullError(RedisError):
    """Redis has no room for new callbacks."""


class _Batch:
    """Callbacks that are sent together. The first caller sends them, and the others wait for the result."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[str, float]] = []
        self.characters = 0
        self.error = ""
        self.ended = threading.Event()

    def end(self, error: str = "") -> None:
        """Set the result for all callers, unless it is set already. An empty ``error`` means success."""
        if not self.ended.is_set():
            self.error = error
            self.ended.set()


class CallbackQueue:
    """Stores callbacks in Redis, with shorter time limits than the workers use.

    Callbacks that arrive while a batch is being sent form the next batch (group commit): one round trip and one flush
    to disk for many of them, over one connection a process. Threads and greenlets may share a queue. ``put_all`` stores
    callbacks, given as (body, unix seconds of arrival), and raises redis-py's errors.
    """

    #: Callbacks in a batch at most, and about how many characters.
    MAX_CALLBACKS, MAX_CHARACTERS = 200, 4 * 1024**2

    def __init__(self, put_all: Callable[[list[tuple[str, float]]], object]) -> None:
        self._put_all = put_all
        self._waiting: list[_Batch] = []
        self._joining = threading.Lock()
        self._turn = threading.Lock()

    def publish(self, body: str, received_at: float) -> None:
        """Store a callback. Raises ``PublishError``, within a second if Redis does not answer."""
        batch, leads = self._join(body, received_at)
        if leads:
            self._send(batch)
        else:
            batch.ended.wait()
        if batch.error:
            raise PublishError(batch.error)

    def waiting(self) -> int:
        """Count the callbacks whose batch is not yet being sent."""
        with self._joining:
            return sum(len(batch.callbacks) for batch in self._waiting)

    def _join(self, body: str, received_at: float) -> tuple[_Batch, bool]:
        with self._joining:
            batch = self._waiting[-1] if self._waiting else None
            if batch is None or self._is_full(batch, body):
                batch = _Batch()
                self._waiting.append(batch)
            batch.callbacks.append((body, received_at))
            batch.characters += len(body)
            return batch, len(batch.callbacks) == 1

    def _is_full(self, batch: _Batch, body: str) -> bool:
        return len(batch.callbacks) >= self.MAX_CALLBACKS or batch.characters + len(body) > self.MAX_CHARACTERS

    def _send(self, batch: _Batch) -> None:
        try:
            with self._turn:
                time.sleep(0)  # let callers that are about to join do so now: they need no round trip of their own
                self._close(batch)
                if not batch.ended.is_set():
                    self._put_all(batch.callbacks)
                    batch.end()
        except (RedisError, OSError) as failure:
            # Waiting callers fail too: retrying each would exceed their time limit.
            with self._joining:
                failed, self._waiting = [batch, *self._waiting], []
            for each in failed:
                each.end(type(failure).__name__)
        finally:
            # Also after an exception that ends the request, such as gevent's timeout, the other callers must neither
            # wait for ever nor report success
            # (test_an_interrupted_batch_is_not_acknowledged_and_the_next_batch_is_kept).
            self._close(batch)
            batch.end("interrupted")

    def _close(self, batch: _Batch) -> None:
        with self._joining:
            if batch in self._waiting:
                self._waiting.remove(batch)


class _Connection:
    """One connection to Redis, opened with the first batch, as Redis may be down when this process starts.

    One connection is enough, since batches are sent one after the other. A pool would check it before each batch.
    """

    #: Redis's fullness is read again after so many seconds, or once this fraction of its free memory has been sent. The
    #: fraction is small because several processes fill Redis together.
    LOOK_EVERY, LOOK_AFTER = 1.0, 1 / 16

    def __init__(self, url: str, limit: int | None) -> None:
        self._url = url
        self._limit = limit
        self._room: RedisMemory | None = None
        self._looked_at = -self.LOOK_EVERY
        self._left = 0.0
        self._sent = 0
        self._connecting = Bounded(CONNECT_SECONDS, at_once=1)
        self._received: ReceivedCallbacks | None = None

    def put_all(self, callbacks: list[tuple[str, float]]) -> None:
        """Store callbacks. If the connection has broken since the last batch, connect again once."""
        known = self._received is not None
        try:
            self._put_all(callbacks)
        except ConnectionFailedError:
            if not known:
                raise
            self._put_all(callbacks)

    def _put_all(self, callbacks: list[tuple[str, float]]) -> None:
        try:
            if self._received is None:
                self._received = self._connecting.call(self._connect)
            self._look(sum(_bytes(body) for body, _ in callbacks))
            # None: the time of arrival is Redis's, as the clocks of several ingresses may differ.
            self._received.put_all([(body, None) for body, _ in callbacks])
        except BaseException:
            # An answer left unread on the connection would be read as the answer to the next batch.
            self._received = None
            raise

    def _look(self, sending: int) -> None:
        """Read Redis's fullness from time to time. Raises ``BrokerFullError`` while it has no room for callbacks."""
        self._sent += sending
        now = time.monotonic()
        if self._room and (now - self._looked_at > self.LOOK_EVERY or self._sent > self._left * self.LOOK_AFTER):
            self._looked_at, self._sent, self._left = now, sending, self._room.for_callbacks()
        if self._left <= sending:
            raise BrokerFullError("the broker has no room for new callbacks")

    def _connect(self) -> ReceivedCallbacks:
        redis = Redis.from_url(
            self._url,
            decode_responses=True,
            socket_timeout=SOCKET_TIMEOUT,
            socket_connect_timeout=SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
        )
        self._room = RedisMemory(redis, self._limit)
        return ReceivedCallbacks(redis)


def _bytes(body: str) -> int:
    """Estimate how many bytes of Redis's memory a callback takes until it is recorded."""
    return _BYTES_BESIDE + (len(body) if body.isascii() else len(body.encode()))


def open_queue(redis_url: str, limit: int | None = None) -> CallbackQueue:
    """Open the queue at the address. Nothing is connected to yet.

    It accepts nothing while Redis is nearly full, measured by its ``maxmemory`` or by ``limit`` bytes.
    """
    wake_up_template(CALLBACKS)  # made and cached now: the first callback must not wait for it
    return CallbackQueue(_Connection(redis_url, limit).put_all)
