"""Heartbeats of workers and clocks in Redis, so that a dead fleet does not look healthy.

Each process writes the time by Redis's clock every ``INTERVAL`` seconds. Each sweep writes it too, which shows that
clock, queue and fleet work together. A worker that is woken to ask the provider, and has its key, writes it too.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from workers.ledger.storage.scripts import redis_now
from workers.liveness.repeating import repeating

KEY = "stemvault:alive"
#: The roles: a worker, a clock (beat), the sweep, which a worker makes when a clock sends its message, and the poll,
#: for which the sweep wakes a worker.
WORKER, CLOCK, SWEEP, POLL = "worker", "clock", "sweep", "poll"
#: Seconds between two heartbeats, and seconds without one after which a process counts as dead.
INTERVAL, SILENCE = 10.0, 35.0
#: After this many seconds without a heartbeat a process is forgotten.
_FORGET = 3600.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """The numbers of living workers and clocks, and the seconds since the last sweep (None after an hour)."""

    workers: int
    clocks: int
    since_sweep: float | None


class SignsOfLife:
    """The heartbeats in Redis (a client with ``decode_responses=True``). Methods raise redis-py's errors."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def give(self, role: str, name: str = "") -> None:
        """Write a heartbeat of a process with this role and name."""
        now = redis_now(self._redis)
        pipe = self._redis.pipeline()
        pipe.zadd(KEY, {f"{role} {name}": now})
        pipe.zremrangebyscore(KEY, "-inf", now - _FORGET)
        pipe.execute()

    def end(self, role: str, name: str) -> None:
        """Remove the heartbeat of a process that ends."""
        self._redis.zrem(KEY, f"{role} {name}")

    def there(self, role: str) -> list[str]:
        """Give the names of the living processes with this role."""
        found = self._redis.zrangebyscore(KEY, redis_now(self._redis) - SILENCE, "+inf")
        return [name for member in found for each, _, name in [str(member).partition(" ")] if each == role]

    def since(self, role: str) -> float | None:
        """Give the seconds since the last sweep or poll, or None if there was none within the last hour."""
        at = self._redis.zscore(KEY, f"{role} ")
        return None if at is None else max(0.0, redis_now(self._redis) - float(at))

    def fleet(self) -> Fleet:
        """Give the state of the fleet."""
        return Fleet(len(self.there(WORKER)), len(self.there(CLOCK)), self.since(SWEEP))


def own_name(pid: int | None = None) -> str:
    """Give the name of this process, or of the process ``pid`` on this host: ``host:pid``."""
    return f"{socket.gethostname()}:{pid or os.getpid()}"


@contextmanager
def heartbeat(redis: "Redis", role: str) -> Iterator[None]:
    """Write heartbeats of this process until the block ends, then remove them. Errors of Redis are suppressed."""
    signs, name = SignsOfLife(redis), own_name()

    def give() -> None:
        with suppress(RedisError):
            signs.give(role, name)

    give()
    with repeating(give, every=INTERVAL):
        yield
    with suppress(RedisError):
        signs.end(role, name)
