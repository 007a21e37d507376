"""Acknowledged callbacks that are not recorded yet. Their bodies are in Redis, and not in Celery's messages.

kombu removes a message from its queue before it notes the message as unacknowledged. A worker that is killed in between
loses it, and a noted message comes back only after a timeout. A callback must not depend on that, so its body is here
until it is recorded. Celery's messages only wake workers, and the sweep replaces lost ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from redis import Redis
from redis.exceptions import InvalidResponse, RedisError

from workers.dispatch.queues import CALLBACKS
from workers.dispatch.wake_ups import MAX_WAITING, WAKE_UP_ID, wake_up_template
from workers.ledger.storage.scripts import redis_now, script
from workers.liveness.repeating import repeating

BODIES = "stemvault:received"
#: Id → when the callback is due (unix seconds): at its arrival, at the end of a lease, or at the end of a backoff.
DUE = "stemvault:received:due"
#: Id → how many times the callback was taken, and neither recorded nor given back without counting.
TRIES = "stemvault:received:tries"

#: Seconds after which a callback is due again, unless the process that took it renews the lease.
LEASE = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One callback as it arrived."""

    id: str
    body: str
    received_at: float
    """Unix seconds."""
    tries: int
    """How many times it was taken and neither recorded nor given back, this time included."""


class ReceivedCallbacks:
    """The callbacks that wait to be recorded (a client with ``decode_responses=True``)."""

    def __init__(self, redis: "Redis", *, lease: float = LEASE) -> None:
        self._redis = redis
        self._lease = lease
        self._put = script(redis, "put_callbacks")
        self._take = script(redis, "take_callback")

    def put(self, body: str, received_at: float) -> None:
        """Store a callback and wake a worker. After the return it is as durable as Redis. Raises redis-py's errors.

        ``received_at`` is in unix seconds.
        """
        self.put_all([(body, received_at)])

    def put_all(self, callbacks: Sequence[tuple[str, float | None]]) -> None:
        """Store callbacks, all of them or none, each given as (body, unix seconds of its arrival or None for now).

        Raises redis-py's errors.
        """
        entries = (
            value
            for body, received_at in callbacks
            for value in (uuid4().hex, body, "" if received_at is None else received_at)
        )
        kept = self._put(
            keys=[DUE, BODIES, CALLBACKS], args=[MAX_WAITING, wake_up_template(CALLBACKS), WAKE_UP_ID, *entries]
        )
        if kept != len(callbacks):
            raise InvalidResponse(f"Redis stored {kept} of {len(callbacks)} callbacks")

    def take(self) -> Received | None:
        """Lease the callback that has been due for the longest time, or give None if no callback is due."""
        reply = self._take(keys=[DUE, BODIES, TRIES], args=[self._lease])
        if not reply:
            return None
        name, text, tries = reply
        received_at, _, body = text.partition("\n")
        return Received(name, body, float(received_at), int(tries))

    @contextmanager
    def held(self, callback: Received) -> Iterator[None]:
        """Renew the lease while the block runs, so that a slow bucket does not look like a dead worker."""

        def renew() -> None:
            with suppress(RedisError):
                self._redis.zadd(DUE, {callback.id: redis_now(self._redis) + self._lease}, xx=True)

        with repeating(renew, every=self._lease / 3):
            yield

    def done(self, callback: Received) -> None:
        """Forget a callback that is recorded or stored elsewhere."""
        pipe = self._redis.pipeline(transaction=True)
        for key in (BODIES, TRIES):
            pipe.hdel(key, callback.id)
        pipe.zrem(DUE, callback.id)
        pipe.execute()

    def postpone(self, callback: Received, *, wait: float, counted: bool = False) -> None:
        """Give a callback back; it is due again after ``wait`` seconds. With ``counted`` the try counts as failed."""
        until = redis_now(self._redis) + wait
        pipe = self._redis.pipeline(transaction=True)
        if not counted:
            pipe.hdel(TRIES, callback.id)
        pipe.zadd(DUE, {callback.id: until}, xx=True)
        pipe.execute()

    def due(self) -> int:
        """Count the callbacks that are due now."""
        return int(self._redis.zcount(DUE, "-inf", redis_now(self._redis)))

    def bodies(self) -> Iterator[str]:
        """Give the bodies of all stored callbacks, in no order."""
        for _, text in self._redis.hscan_iter(BODIES, count=100):
            yield text.partition("\n")[2]

    def waiting(self) -> int:
        """Count the stored callbacks."""
        return int(self._redis.zcard(DUE))
