"""Heartbeats of workers and clocks in Redis, so that a dead fleet does not look healthy.

Each process tells every few seconds that it is there, by Redis's clock. Each sweep tells that it was made, which
shows that clock, queue and fleet work together.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from workers.ledger.scripts import redis_now
from workers.liveness.repeating import repeating

KEY = "stemvault:alive"
#: The roles: a worker, a clock (beat), and the sweep that a worker made when a clock called for it.
WORKER, CLOCK, SWEEP = "worker", "clock", "sweep"
#: Seconds between two heartbeats, and after how many of silence a process counts as gone.
INTERVAL, SILENCE = 10.0, 35.0
#: After this many seconds a silent process is forgotten.
_FORGET = 3600.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many workers and clocks are there, and the seconds since the last sweep (None after an hour)."""

    workers: int
    clocks: int
    since_sweep: float | None


class SignsOfLife:
    """The heartbeats in Redis (a client with ``decode_responses=True``). Methods raise redis-py's errors."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def give(self, role: str, name: str = "") -> None:
        """Tell that somebody with this role is there."""
        now = redis_now(self._redis)
        pipe = self._redis.pipeline()
        pipe.zadd(KEY, {f"{role} {name}": now})
        pipe.zremrangebyscore(KEY, "-inf", now - _FORGET)
        pipe.execute()

    def end(self, role: str, name: str) -> None:
        """Tell that it ends."""
        self._redis.zrem(KEY, f"{role} {name}")

    def there(self, role: str) -> list[str]:
        """Name those with this role that are there."""
        found = self._redis.zrangebyscore(KEY, redis_now(self._redis) - SILENCE, "+inf")
        return [name for member in found for each, _, name in [str(member).partition(" ")] if each == role]

    def since_sweep(self) -> float | None:
        """Give the seconds since the last sweep; None if none was made within the last hour."""
        at = self._redis.zscore(KEY, f"{SWEEP} ")
        return None if at is None else max(0.0, redis_now(self._redis) - float(at))

    def fleet(self) -> Fleet:
        """Tell how the fleet is."""
        return Fleet(len(self.there(WORKER)), len(self.there(CLOCK)), self.since_sweep())


def own_name(pid: int | None = None) -> str:
    """Name this process, or the process ``pid`` of this host: host and process id."""
    return f"{socket.gethostname()}:{pid or os.getpid()}"


@contextmanager
def heartbeat(redis: "Redis", role: str) -> Iterator[None]:
    """Give signs of life until the block ends, and then tell that this process ends. Redis may be away meanwhile."""
    signs, name = SignsOfLife(redis), own_name()

    def give() -> None:
        with suppress(RedisError):
            signs.give(role, name)

    give()
    with repeating(give, every=INTERVAL):
        yield
    with suppress(RedisError):
        signs.end(role, name)
