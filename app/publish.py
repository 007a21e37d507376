"""An acknowledged callback's way to safety: into the queue, or into the bucket's inbox while the broker is down.

All of it in bounded time, below 2 s together: a dead broker or bucket is an error, not a hang.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.settings import Settings
from workers import inbox
from workers.errors import TransientError
from workers.queues import CALLBACKS
from workers.received import ReceivedCallbacks
from workers.store import Store, open_client
from workers.tickets import ticket_template

log = structlog.get_logger()

#: (body as it came, unix seconds of its arrival) → kept; raises PublishError
Publish = Callable[[str, float], None]

#: Each of connecting, sending and receiving may take this long.
_SOCKET_TIMEOUT = 0.4
#: After a failure the broker is asked second, not first, for this long: an outage must not cost every request its wait.
_BROKER_REST = 3.0
#: So long, in seconds, a batch waits for company when the last one had some.
_LINGER = 0.0005


class PublishError(Exception):
    """The callback was not taken. The message is the kind of error, without any address."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A callback on its way to Redis."""

    body: str
    received_at: float
    done: bool = False
    error: str = ""


class CallbackQueue:
    """Keeps callbacks in Redis, with less patience than the fleet can afford.

    What comes while a batch is on its way waits for it and is the next batch (group commit): one round trip for many,
    one connection a process, and the busier it is, the less each costs. Threads and greenlets may share it.
    ``put_all`` keeps callbacks, given as (body, unix seconds of arrival), and raises redis-py's errors.
    """

    #: As many callbacks, and about as many characters, travel at once.
    MOST, MOST_CHARACTERS = 200, 4 * 1024**2

    def __init__(self, put_all: Callable[[list[tuple[str, float]]], object]) -> None:
        self._put_all = put_all
        self._waiting: deque[_Waiting] = deque()
        self._turn = threading.Lock()
        self._in_company = False

    def publish(self, body: str, received_at: float) -> None:
        """Keep a callback. Raises ``PublishError`` within a second where Redis does not answer."""
        own = _Waiting(body, received_at)
        self._waiting.append(own)
        with self._turn:
            if self._in_company and not own.done:
                time.sleep(_LINGER)
            while not own.done:
                self._write_batch()
        if own.error:
            raise PublishError(own.error)

    def _write_batch(self) -> None:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < self.MOST and size < self.MOST_CHARACTERS:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].body)
        self._in_company = len(batch) > 1
        # Whatever ends this, be it the end of the request's own time, nobody may take it for success or wait for ever.
        error = "interrupted"
        try:
            self._put_all([(each.body, each.received_at) for each in batch])
            error = ""
        except (RedisError, OSError) as failure:
            error = type(failure).__name__
            # Who has waited meanwhile has waited long enough, and would fare no better.
            batch += [self._waiting.popleft() for _ in range(len(self._waiting))]
        finally:
            for each in batch:
                each.done, each.error = True, error


def open_queue(redis_url: str) -> CallbackQueue:
    """Open the queue at the address; nothing is connected to yet."""
    retry = Retry(NoBackoff(), 1)
    redis = Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=_SOCKET_TIMEOUT,
        socket_connect_timeout=_SOCKET_TIMEOUT,
        retry=retry,
        # One batch is on its way at a time; a pool would ask its connection before each whether it still lives.
        single_connection_client=True,
    )
    received = ReceivedCallbacks(redis)
    ticket_template(CALLBACKS)  # made now, not while the first callback waits

    def put_all(callbacks: list[tuple[str, float]]) -> None:
        try:
            received.put_all(callbacks)
        except BaseException:
            # An answer that nobody has read would be taken for the next batch's.
            redis.connection_pool.disconnect()
            raise

    return CallbackQueue(put_all)


class Safekeeping:
    """Puts a callback where an acknowledged one is safe: the queue, else the inbox."""

    def __init__(
        self, enqueue: Publish, put_into_inbox: Publish, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._enqueue = enqueue
        self._put_into_inbox = put_into_inbox
        self._monotonic = monotonic
        self._broker_failed_at = -_BROKER_REST

    def publish(self, body: str, received_at: float) -> None:
        """Keep a callback. Raises ``PublishError`` where neither broker nor bucket takes it."""
        ways = [self._try_queue, self._put_into_inbox]
        if self._monotonic() - self._broker_failed_at < _BROKER_REST:
            ways.reverse()
        for way in ways:
            try:
                way(body, received_at)
            except PublishError as error:
                log.warning("callback_not_kept_here", way=getattr(way, "__name__", ""), error=str(error))
            else:
                return
        raise PublishError("neither broker nor bucket answered")

    def _try_queue(self, body: str, received_at: float) -> None:
        try:
            self._enqueue(body, received_at)
        except PublishError:
            self._broker_failed_at = self._monotonic()
            raise


def open_safekeeping(settings: Settings) -> Safekeeping:
    """Open the queue and the inbox that the settings name; nothing is connected to yet."""
    store = Store(
        open_client(connect_timeout=_SOCKET_TIMEOUT, read_timeout=_SOCKET_TIMEOUT, attempts=1), settings.s3_bucket
    )

    def put_into_inbox(body: str, received_at: float) -> None:
        try:
            inbox.keep(store, settings.layout, body.encode(), received_at)
        except TransientError as error:
            raise PublishError(error.detail) from None

    return Safekeeping(open_queue(settings.redis_url.get_secret_value()).publish, put_into_inbox)
