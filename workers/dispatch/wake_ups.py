"""Tickets: Celery messages that call a worker to whatever is due first.

A ticket names a queue, and neither a callback nor an asset. What it stands for is decided when a worker comes with
it: whatever is due first, and then the next, for as long as the worker's turn lasts. A ticket too many finds nothing
and ends, and one too few is made up for by whoever takes something and leaves something behind, or by the sweep.
"""

from functools import cache
from uuid import uuid4

from celery import Celery
from kombu import Queue
from kombu.utils.json import dumps
from redis import Redis

from workers.dispatch.queues import ASSET_QUEUES, CALLBACKS, SUSPECTS

#: As many tickets wait in a queue at most: each may wake a worker, which works on and calls the next one.
MAX_WAITING = 16

#: What a queue's tickets call.
_CALLS = {
    CALLBACKS: "workers.tasks.ingest_callback",
    **dict.fromkeys(ASSET_QUEUES, "workers.tasks.archive_assets"),
    SUSPECTS: "workers.tasks.archive_suspects",
}
#: What stands for a ticket's id in its template. Only letters, as Lua's patterns need it.
WAKE_UP_ID = "NOTWOTICKETSARETHESAME"


@cache
def wake_up_template(queue: str) -> str:
    """Give a ticket for a queue, as kombu's Redis transport reads it from the list of that name, but for its id.

    Celery and kombu write it themselves, once, in memory: each time would take them 0.3 ms.
    """
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.task_queues = [Queue(queue, routing_key=queue)]
    with app.connection_for_write() as connection:
        app.send_task(_CALLS[queue], task_id=WAKE_UP_ID, queue=queue, connection=connection, ignore_result=True)
        message = connection.default_channel._get(queue)  # noqa: SLF001 - as the transports themselves take it
    message["properties"]["delivery_tag"] = WAKE_UP_ID
    return str(dumps(message))


class WakeUps:
    """The tickets that lie in Redis, in a list for each queue."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def waiting(self, queue: str) -> int:
        """Tell how many messages wait in a Celery queue."""
        return int(self._redis.llen(queue))

    def call(self, queue: str, number: int) -> None:
        """See to it that tickets wait for so many things, or for as many as ever wait."""
        missing = min(number, MAX_WAITING) - self.waiting(queue) if number else 0
        if missing > 0:
            template = wake_up_template(queue)
            self._redis.lpush(queue, *(template.replace(WAKE_UP_ID, uuid4().hex) for _ in range(missing)))
