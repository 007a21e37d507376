"""kombu's Redis transport as tickets need it: taken is taken, and what is urgent is looked for first.

A ticket that is lost is made up for by the sweep within seconds, so kombu's bookkeeping of messages that are
taken and not acknowledged would only cost: Redis round trips with every message, a minute until those of a
dead worker come back, and the worker itself, when it puts them back over a connection that has just
broken (``'NoneType' object has no attribute 'hostname'``, seen with kombu 5.7).
"""

from kombu.transport import redis
from kombu.utils.scheduling import priority_cycle

from workers.dispatch.queues import QUEUES


class InOrderOfUrgency(priority_cycle):
    """Looks for messages in the order of ``QUEUES``; kombu's own would follow a set's order."""

    def consume(self, n: int) -> list[str]:
        """Give the queues in the order in which to look."""
        return sorted(super().consume(n), key=lambda name: QUEUES.index(name) if name in QUEUES else -1)


class Channel(redis.Channel):
    """Forgets a message when it is taken."""

    ack_emulation = False
    do_restore = False
    queue_order_strategy = "workers.dispatch.transport:InOrderOfUrgency"


class Transport(redis.Transport):
    """What ``broker_transport`` names."""

    Channel = Channel
