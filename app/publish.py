"""An acknowledged callback's way to safety: into the queue, or into the bucket's inbox while the broker is down.

All of it in bounded time, below 2 s together: a dead broker or bucket is an error, not a hang.
"""

import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError
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

log = structlog.get_logger()

#: (body as it came, unix seconds of its arrival) → kept; raises PublishError
Publish = Callable[[str, float], None]

TASK = "workers.tasks.ingest_callback"

#: Each of connecting, sending and receiving may take this long.
_SOCKET_TIMEOUT = 0.4
#: After a failure the broker is asked second, not first, for this long: an outage must not cost every request its wait.
_BROKER_REST = 3.0


class PublishError(Exception):
    """The callback was not taken. The message is the kind of error, without any address."""


class CallbackQueue:
    """Keeps callbacks in Redis and calls workers to them, with less patience than the fleet can afford."""

    def __init__(self, redis_url: str) -> None:
        redis = Redis.from_url(
            redis_url,
            decode_responses=True,
            socket_timeout=_SOCKET_TIMEOUT,
            socket_connect_timeout=_SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )
        self._received = ReceivedCallbacks(redis)
        self._celery = Celery("stemvault-ingress", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            broker_transport_options={
                "socket_timeout": _SOCKET_TIMEOUT,
                "socket_connect_timeout": _SOCKET_TIMEOUT,
                "socket_keepalive": True,
                "max_retries": 1,
                "interval_start": 0,
                "interval_step": 0,
                "interval_max": 0,
            },
            task_queues=[Queue(CALLBACKS, routing_key=CALLBACKS)],
            task_default_queue=CALLBACKS,
            task_serializer="json",
        )

    def publish(self, body: str, received_at: float) -> None:
        """Keep a callback. Raises ``PublishError`` within a second where Redis does not answer."""
        try:
            self._received.put(body, received_at)
        except (RedisError, OSError) as error:
            raise PublishError(type(error).__name__) from None
        with suppress(OperationalError, RedisError, OSError):  # the sweep sends another ticket
            self._celery.send_task(TASK, queue=CALLBACKS, retry=False, ignore_result=True)


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

    return Safekeeping(CallbackQueue(settings.redis_url.get_secret_value()).publish, put_into_inbox)
