"""kombu's Redis transport for wake-up messages: no redelivery, and urgent queues first.

The sweep replaces a lost message within seconds, so kombu's record of unacknowledged messages has costs and no use. It
takes Redis round trips for every message, and a minute until the messages of a dead worker come back. A worker ends
if it puts messages back over a connection that has just broken (``'NoneType' object has no attribute 'hostname'``).

Checked with kombu 5.7.0. ``test_kombus_redis_channel_has_the_options_that_ours_sets`` fails if the options change.
"""

from kombu.transport import redis
from kombu.utils.scheduling import priority_cycle

from workers.dispatch.queues import QUEUES


class InOrderOfUrgency(priority_cycle):
    """Looks for messages in the order of ``QUEUES``. kombu's own order is that of a set."""

    def consume(self, n: int) -> list[str]:
        """Give the queues in the order in which to look."""
        return sorted(super().consume(n), key=lambda name: QUEUES.index(name) if name in QUEUES else -1)


class Channel(redis.Channel):
    """Forgets a message when a worker has received it."""

    ack_emulation = False
    do_restore = False
    queue_order_strategy = "workers.dispatch.transport:InOrderOfUrgency"


class Transport(redis.Transport):
    """The transport that Celery's setting ``broker_transport`` names."""

    Channel = Channel
