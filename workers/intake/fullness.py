"""How full Redis is. The ingress stops before it is full, so that the fleet always has room to finish what it has.

From ``SWEEP_FORGETS`` on the sweep forgets settled tasks before their time: their manifests tell all of them. From
``INGRESS_STOPS`` on new callbacks go to the bucket's inbox, which is not drained meanwhile. From ``RECORDING_STOPS`` on
what was received is recorded slowly, as a callback that names many files makes many records. It goes on, as the record
of a long body is smaller than the body.
"""

import math

from redis import Redis
from redis.exceptions import ResponseError

#: Shares of what Redis may hold.
SWEEP_FORGETS, INGRESS_STOPS, RECORDING_STOPS = 0.7, 0.8, 0.9


class Room:
    """The share of its memory that Redis uses: of ``maxmemory``, or of ``limit`` bytes if that is less."""

    def __init__(self, redis: "Redis", limit: int | None) -> None:
        self._redis = redis
        self._limit = limit

    def fullness(self) -> float:
        """Give the share, 0 where nothing limits it. Raises redis-py's errors."""
        used, limit = self._usage()
        return used / limit

    def for_callbacks(self) -> float:
        """Give how many more bytes the ingress may fill. Raises redis-py's errors."""
        used, limit = self._usage()
        return INGRESS_STOPS * limit - used

    def usage(self) -> tuple[int, float]:
        """Give the bytes that Redis uses, and those that it may use. Raises redis-py's errors."""
        memory: dict[str, int] = self._redis.info("memory")
        limits = [limit for limit in (memory.get("maxmemory"), self._limit) if limit]
        return memory["used_memory"], min(limits, default=math.inf)

    def _usage(self) -> tuple[int, float]:
        try:
            return self.usage()
        except ResponseError:
            return 0, math.inf  # this Redis does not tell; `stemvault doctor` says so
