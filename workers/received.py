"""Acknowledged callbacks that are not recorded yet: kept in Redis by us, not by the message that calls for them.

kombu takes a message from its queue before it notes that it has it, so a worker killed between the
two loses it, and what was noted comes back only when a time-out ends. A callback may not depend on
that. Its body lies here until it is recorded; messages are tickets, and the sweep makes up for lost ones.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from workers.repeating import repeating

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
        self._take = redis.register_script((files("workers") / "lua" / "take_callback.lua").read_text())

    def put(self, body: str, received_at: float) -> None:
        """Keep a callback. When this returns it is as safe as Redis is; raises redis-py's errors."""
        name = uuid4().hex
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(BODIES, name, json.dumps({"received_at": received_at, "body": body}))
        pipe.zadd(DUE, {name: received_at})
        pipe.execute()

    def take(self, *, now: float) -> Received | None:
        """Take the callback that is due for the longest time, until the lease ends."""
        reply = self._take(keys=[DUE, BODIES, TRIES], args=[now, now + self._lease])
        if not reply:
            return None
        name, text, tries = reply
        entry = json.loads(text)
        return Received(name, entry["body"], entry["received_at"], int(tries))

    @contextmanager
    def held(self, callback: Received, now: Callable[[], float]) -> Iterator[None]:
        """Renew the lease for as long as the block runs: a bucket that does not answer is no dead worker."""

        def renew() -> None:
            with suppress(RedisError):
                self._redis.zadd(DUE, {callback.id: now() + self._lease}, xx=True)

        with repeating(renew, every=self._lease / 3):
            yield

    def done(self, callback: Received) -> None:
        """Forget a callback that is recorded, or kept elsewhere."""
        pipe = self._redis.pipeline(transaction=True)
        for key in (BODIES, TRIES):
            pipe.hdel(key, callback.id)
        pipe.zrem(DUE, callback.id)
        pipe.execute()

    def postpone(self, callback: Received, *, until: float) -> None:
        """Give a callback back that could not be recorded now."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hdel(TRIES, callback.id)
        pipe.zadd(DUE, {callback.id: until}, xx=True)
        pipe.execute()

    def due(self, *, now: float) -> int:
        """Tell how many could be taken now."""
        return int(self._redis.zcount(DUE, "-inf", now))

    def waiting(self) -> int:
        """Tell how many are kept."""
        return int(self._redis.zcard(DUE))
