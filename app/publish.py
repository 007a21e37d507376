"""An acknowledged callback's way into the queue, in bounded time: a dead broker is an error, not a hang."""

from collections.abc import Callable

from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

#: (body as it came, unix seconds of its arrival) → kept; raises PublishError
Publish = Callable[[str, float], None]

TASK = "workers.tasks.ingest_callback"
QUEUE = "callbacks"

#: Each of connecting, sending and receiving may take this long; together they stay below 2 s.
_SOCKET_TIMEOUT = 0.9


class PublishError(Exception):
    """The broker did not take the callback. The message is the kind of error, without any address."""


class CallbackQueue:
    """Publishes to Redis as a Celery client, with patience of its own: the fleet's would be too long here."""

    def __init__(self, redis_url: str) -> None:
        self._celery = Celery("stemvault-ingress", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            broker_transport_options={
                "socket_timeout": _SOCKET_TIMEOUT,
                "socket_connect_timeout": _SOCKET_TIMEOUT,
                "socket_keepalive": True,
                "retry_on_timeout": False,
                "max_retries": 1,
                "interval_start": 0,
                "interval_step": 0,
                "interval_max": 0,
            },
            task_queues=[Queue(QUEUE, routing_key=QUEUE)],
            task_default_queue=QUEUE,
            task_serializer="json",
        )

    def publish(self, body: str, received_at: float) -> None:
        """Enqueue a callback. Raises ``PublishError`` within 2 s where the broker does not answer."""
        try:
            self._celery.send_task(TASK, (body, received_at), queue=QUEUE, retry=False, ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            raise PublishError(type(error).__name__) from None
