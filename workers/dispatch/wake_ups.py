"""Wake-up messages: Celery messages that make a worker look for work.

A wake-up message names a queue, and neither a callback nor an asset. The worker that receives it takes the callback or
asset that is due first, then the next one, until its turn ends. A surplus message finds no work and ends. A missing one
is replaced by the worker that leaves assets waiting without a message, or by the sweep.

Private method of kombu in use: ``Channel._get`` of the transport in memory, checked with kombu 5.7.0.
``test_kombus_channel_in_memory_gives_a_message_as_a_dictionary`` fails if it changes.
"""

from functools import cache
from uuid import uuid4

from celery import Celery
from kombu import Queue
from kombu.utils.json import dumps
from redis import Redis

from workers.dispatch.queues import ASSET_QUEUES, CALLBACKS, POLLS, SUSPECTS

#: The most wake-up messages in a queue. Each may wake a worker, which goes on working and wakes the next worker.
MAX_WAITING = 16

#: The task that a queue's wake-up messages start.
_TASKS = {
    CALLBACKS: "workers.tasks.ingest_callback",
    **dict.fromkeys(ASSET_QUEUES, "workers.tasks.archive_assets"),
    SUSPECTS: "workers.tasks.archive_suspects",
    POLLS: "workers.tasks.poll_tasks",
}
WOKEN_QUEUES = tuple(_TASKS)
"""The queues for which there are wake-up messages."""
#: The placeholder for a message's id in its template. Only letters, as Lua's patterns need it.
WAKE_UP_ID = "NOTWOWAKEUPSARETHESAME"


@cache
def wake_up_template(queue: str) -> str:
    """Give a wake-up message for a queue, in the form in which kombu's Redis transport reads it, without its id.

    Celery and kombu write it once, in memory, which takes 0.3 ms. ``WakeUps`` copies it with another id.
    """
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.task_queues = [Queue(queue, routing_key=queue)]
    with app.connection_for_write() as connection:
        app.send_task(_TASKS[queue], task_id=WAKE_UP_ID, queue=queue, connection=connection, ignore_result=True)
        message = connection.default_channel._get(queue)  # noqa: SLF001 - kombu's public methods decode it
    message["properties"]["delivery_tag"] = WAKE_UP_ID
    return str(dumps(message))


class WakeUps:
    """The wake-up messages in Redis, in a list for each queue."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def waiting(self, queue: str) -> int:
        """Count the messages that wait in a Celery queue."""
        return int(self._redis.llen(queue))

    def send(self, queue: str, number: int) -> None:
        """Add wake-up messages until ``number`` of them wait in the queue, but at most ``MAX_WAITING``."""
        missing = min(number, MAX_WAITING) - self.waiting(queue) if number else 0
        if missing > 0:
            template = wake_up_template(queue)
            self._redis.lpush(queue, *(template.replace(WAKE_UP_ID, uuid4().hex) for _ in range(missing)))
