"""The way into Redis: callbacks that come together travel together, and each is told what became of it."""

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
from workers.intake.fullness import Room
from workers.intake.received import ReceivedCallbacks

#: Each of connecting, sending and receiving may take this long, in seconds.
SOCKET_TIMEOUT = 0.4
#: What a callback takes in Redis beside its body: its entries in a hash and a sorted set.
_BYTES_BESIDE = 400
#: Connecting may take this long in all: resolving the name, TLS and login included.
CONNECT_SECONDS = 0.5


class PublishError(Exception):
    """The callback was not taken. The message is the kind of error, without any address."""


class BrokerFullError(RedisError):
    """Redis has no room for new callbacks."""


class _Batch:
    """Callbacks that travel together. Whoever joins first has them sent, the others wait for that."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[str, float]] = []
        self.characters = 0
        self.error = ""
        self.ended = threading.Event()

    def end(self, error: str = "") -> None:
        """Tell all who wait what became of it, unless they know."""
        if not self.ended.is_set():
            self.error = error
            self.ended.set()


class CallbackQueue:
    """Keeps callbacks in Redis, with less patience than the fleet can afford.

    What comes while a batch is on its way becomes the next one (group commit): one round trip and one flush to disk
    for many, one connection a process, and the busier it is, the less each costs. Threads and greenlets may share it.
    ``put_all`` keeps callbacks, given as (body, unix seconds of arrival), and raises redis-py's errors.
    """

    #: As many callbacks, and about as many characters, travel at once.
    MOST, MAX_CHARACTERS = 200, 4 * 1024**2

    def __init__(self, put_all: Callable[[list[tuple[str, float]]], object]) -> None:
        self._put_all = put_all
        self._waiting: list[_Batch] = []
        self._joining = threading.Lock()
        self._turn = threading.Lock()

    def publish(self, body: str, received_at: float) -> None:
        """Keep a callback. Raises ``PublishError`` within a second where Redis does not answer."""
        batch, leads = self._join(body, received_at)
        if leads:
            self._send(batch)
        else:
            batch.ended.wait()
        if batch.error:
            raise PublishError(batch.error)

    def waiting(self) -> int:
        """Tell how many callbacks wait for their batch to be sent."""
        with self._joining:
            return sum(len(batch.callbacks) for batch in self._waiting)

    def _join(self, body: str, received_at: float) -> tuple[_Batch, bool]:
        with self._joining:
            batch = self._waiting[-1] if self._waiting else None
            if batch is None or len(batch.callbacks) >= self.MOST or batch.characters + len(body) > self.MAX_CHARACTERS:
                batch = _Batch()
                self._waiting.append(batch)
            batch.callbacks.append((body, received_at))
            batch.characters += len(body)
            return batch, len(batch.callbacks) == 1

    def _send(self, batch: _Batch) -> None:
        try:
            with self._turn:
                time.sleep(0)  # whoever is about to join does so now, and costs nobody a round trip
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
            # Whatever ends this, be it the end of the request's own time, nobody may take it for success, or wait
            # for ever.
            self._close(batch)
            batch.end("interrupted")

    def _close(self, batch: _Batch) -> None:
        with self._joining:
            if batch in self._waiting:
                self._waiting.remove(batch)


class _Connection:
    """One connection to Redis, made when a batch needs it, as Redis may be away when this process starts.

    One batch is on its way at a time. A pool would ask its connection before each whether it still lives.
    """

    #: Redis is asked how full it is after so many seconds, or when this share of the room that it had has been sent:
    #: several processes fill it together.
    LOOK_EVERY, LOOK_AFTER = 1.0, 1 / 16

    def __init__(self, url: str, limit: int | None) -> None:
        self._url = url
        self._limit = limit
        self._room: Room | None = None
        self._looked_at = -self.LOOK_EVERY
        self._left = 0.0
        self._sent = 0
        self._connecting = Bounded(CONNECT_SECONDS, at_once=1)
        self._received: ReceivedCallbacks | None = None

    def put_all(self, callbacks: list[tuple[str, float]]) -> None:
        """Keep callbacks. A connection that has died since the last batch is made anew once."""
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
            # They arrive now, by Redis's clock: of two ingresses' clocks one may be wrong.
            self._received.put_all([(body, None) for body, _ in callbacks])
        except BaseException:
            # An answer that nobody has read would be taken for the next batch's.
            self._received = None
            raise

    def _look(self, sending: int) -> None:
        """Ask now and then how full Redis is. Raises ``BrokerFullError`` while it has no room for new callbacks."""
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
        self._room = Room(redis, self._limit)
        return ReceivedCallbacks(redis)


def _bytes(body: str) -> int:
    """Tell about how much of Redis's memory a callback takes until it is recorded."""
    return _BYTES_BESIDE + (len(body) if body.isascii() else len(body.encode()))


def open_queue(redis_url: str, limit: int | None = None) -> CallbackQueue:
    """Open the queue at the address; nothing is connected to yet.

    It takes nothing while Redis is nearly full, of its ``maxmemory`` or of ``limit`` bytes.
    """
    wake_up_template(CALLBACKS)  # made now, not while the first callback waits
    return CallbackQueue(_Connection(redis_url, limit).put_all)
