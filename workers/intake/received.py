"""Acknowledged callbacks that are not recorded yet: kept in Redis by us, not by the message that calls for them.

kombu takes a message from its queue before it notes that it has it, so a worker killed between the
two loses it, and what was noted comes back only when a time-out ends. A callback may not depend on
that. Its body lies here until it is recorded; messages are tickets, and the sweep makes up for lost ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from redis import Redis
from redis.exceptions import InvalidResponse, RedisError

from workers.dispatch.queues import CALLBACKS
from workers.dispatch.wake_ups import MAX_WAITING, WAKE_UP_ID, wake_up_template
from workers.ledger.scripts import redis_now, script
from workers.liveness.repeating import repeating

BODIES = "stemvault:received"
#: id → when to look at it: at once, when a taker's time is over, or when a backoff ends.
DUE = "stemvault:received:due"
#: id → how often it was begun and neither recorded nor given back.
TRIES = "stemvault:received:tries"

#: How long a taker may be silent, in seconds, before the callback goes to another.
LEASE = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One callback, as it came."""

    id: str
    body: str
    received_at: float
    """Unix seconds."""
    tries: int
    """How often it was taken and not heard of again, this time included."""


class ReceivedCallbacks:
    """The callbacks that wait to be recorded (a client with ``decode_responses=True``)."""

    def __init__(self, redis: "Redis", *, lease: float = LEASE) -> None:
        self._redis = redis
        self._lease = lease
        self._put = script(redis, "put_callbacks")
        self._take = script(redis, "take_callback")

    def put(self, body: str, received_at: float) -> None:
        """Keep a callback and call a worker. When this returns it is as safe as Redis is; raises redis-py's errors."""
        self.put_all([(body, received_at)])

    def put_all(self, callbacks: Sequence[tuple[str, float | None]]) -> None:
        """Keep callbacks, each given as (body, unix seconds of its arrival, None for now): all of them, or none."""
        entries = (
            value
            for body, received_at in callbacks
            for value in (uuid4().hex, body, "" if received_at is None else received_at)
        )
        kept = self._put(
            keys=[DUE, BODIES, CALLBACKS], args=[MAX_WAITING, wake_up_template(CALLBACKS), WAKE_UP_ID, *entries]
        )
        if kept != len(callbacks):
            raise InvalidResponse(f"Redis says it kept {kept} of {len(callbacks)} callbacks")

    def take(self) -> Received | None:
        """Take the callback that is due for the longest time, until the lease ends."""
        reply = self._take(keys=[DUE, BODIES, TRIES], args=[self._lease])
        if not reply:
            return None
        name, text, tries = reply
        received_at, _, body = text.partition("\n")
        return Received(name, body, float(received_at), int(tries))

    @contextmanager
    def held(self, callback: Received) -> Iterator[None]:
        """Renew the lease for as long as the block runs: a bucket that does not answer is no dead worker."""

        def renew() -> None:
            with suppress(RedisError):
                self._redis.zadd(DUE, {callback.id: redis_now(self._redis) + self._lease}, xx=True)

        with repeating(renew, every=self._lease / 3):
            yield

    def done(self, callback: Received) -> None:
        """Forget a callback that is recorded, or kept elsewhere."""
        pipe = self._redis.pipeline(transaction=True)
        for key in (BODIES, TRIES):
            pipe.hdel(key, callback.id)
        pipe.zrem(DUE, callback.id)
        pipe.execute()

    def postpone(self, callback: Received, *, wait: float, counted: bool = False) -> None:
        """Give a callback back for ``wait`` seconds; ``counted`` lets the try count against it."""
        until = redis_now(self._redis) + wait
        pipe = self._redis.pipeline(transaction=True)
        if not counted:
            pipe.hdel(TRIES, callback.id)
        pipe.zadd(DUE, {callback.id: until}, xx=True)
        pipe.execute()

    def due(self) -> int:
        """Tell how many could be taken now."""
        return int(self._redis.zcount(DUE, "-inf", redis_now(self._redis)))

    def bodies(self) -> Iterator[str]:
        """Give the bodies of those that are kept, in no order."""
        for _, text in self._redis.hscan_iter(BODIES, count=100):
            yield text.partition("\n")[2]

    def waiting(self) -> int:
        """Tell how many are kept."""
        return int(self._redis.zcard(DUE))
