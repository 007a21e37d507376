"""Timers, the counts of waiting work, and the metrics' counters."""

from itertools import chain

from workers.ledger.storage.keys import COUNTERS, READY, TAKEN, TIMERS
from workers.ledger.storage.scripts import Scripted

#: Seconds until a step that a process has taken is due again. A process that has not done its step by then counts as
#: dead.
GRACE = 15.0
#: A limit above any number of waiting assets.
_UNLIMITED = 10**9


class Timers(Scripted):
    """The ledger's methods for the times at which assets and manifests need their next step."""

    def due(self, *, limit: int) -> list[str]:
        """Take up to ``limit`` steps that are due: ``task/asset`` names, or a task's id for its manifest."""
        return list(self._run("due", [TIMERS, *READY.values()], limit, GRACE, self._urgent_window))

    def drop_timer(self, member: str) -> None:
        """Remove a timer that has no work left."""
        self.redis.zrem(TIMERS, member)

    def ready(self, *, unexpired: bool = False, most: int = _UNLIMITED) -> dict[str, int]:
        """Count the assets that wait for a worker, by queue; with ``unexpired`` without those past their deadline.

        Counting a queue ends at ``most``. It takes longer the more source hosts there are.
        """
        _, *waiting = self._run("count_waiting", [TIMERS, *READY.values()], unexpired or "", most)
        return dict(zip(READY, waiting, strict=True))

    def transferring(self) -> int:
        """Count the assets that workers hold."""
        return int(self.redis.hlen(TAKEN))

    def in_flight(self) -> int:
        """Count the assets and manifests that need another step."""
        return sum(self._run("count_waiting", [TIMERS, *READY.values()], "", _UNLIMITED))

    def next_steps(self, limit: int) -> list[tuple[str, float]]:
        """Give the first ``limit`` steps as (member, unix seconds).

        Ready assets come first, by deadline, with 0 as their time. The timers follow.
        """
        pipe = self.redis.pipeline()
        for key in (*READY.values(), TIMERS):
            pipe.zrange(key, 0, limit - 1, withscores=True)
        *indexes, timers = pipe.execute()
        for key, hosts in zip(READY.values(), indexes, strict=True):
            for host, _ in hosts:
                pipe.zrange(f"{key}:{host}", 0, limit - 1, withscores=True)
        ready = sorted(chain.from_iterable(pipe.execute()), key=lambda waiting: waiting[1])
        return [*((member, 0.0) for member, _ in ready), *timers][:limit]

    def count(self, name: str, label: str, reason: str, *, by: int = 1) -> None:
        """Add to a counter; ``name|label|reason`` are its name and its labels' values."""
        self.redis.hincrby(COUNTERS, f"{name}|{label}|{reason}", by)

    def counters(self) -> dict[str, int]:
        """Give all counters, by ``name|label|reason``."""
        counted: dict[str, str] = self.redis.hgetall(COUNTERS)  # type: ignore[assignment]
        return {name: int(value) for name, value in counted.items()}
