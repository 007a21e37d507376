"""How full Redis is. The ingress stops before Redis is full, so that the fleet has room to settle its assets.

From ``SWEEP_FORGETS`` on, the sweep forgets settled tasks before their time; their manifests have the whole record
(``test_settled_tasks_make_room_and_are_known_again_from_their_manifests``). From ``INGRESS_STOPS`` on, new callbacks go
to the bucket's inbox, and the inbox is not drained (``test_the_inbox_is_drained_when_there_is_room``). From
``RECORDING_STOPS`` on, received callbacks are recorded slowly, as a callback that names many files makes many records.
Recording does not stop, as the record of a long body is smaller than the body.
"""

import math

from redis import Redis
from redis.exceptions import ResponseError

#: Fractions of the memory that Redis may use.
SWEEP_FORGETS, INGRESS_STOPS, RECORDING_STOPS = 0.7, 0.8, 0.9


class RedisMemory:
    """The fraction of its memory that Redis uses: of ``maxmemory``, or of ``limit`` bytes if that is less."""

    def __init__(self, redis: "Redis", limit: int | None) -> None:
        self._redis = redis
        self._limit = limit

    def fullness(self) -> float:
        """Give the fraction, 0 if there is no limit. Raises redis-py's errors."""
        used, limit = self._usage()
        return used / limit

    def for_callbacks(self) -> float:
        """Give the bytes that the ingress may still fill. Raises redis-py's errors."""
        used, limit = self._usage()
        return INGRESS_STOPS * limit - used

    def usage(self) -> tuple[int, float]:
        """Give the bytes that Redis uses and the bytes that it may use. Raises redis-py's errors."""
        memory: dict[str, int] = self._redis.info("memory")
        limits = [limit for limit in (memory.get("maxmemory"), self._limit) if limit]
        return memory["used_memory"], min(limits, default=math.inf)

    def _usage(self) -> tuple[int, float]:
        try:
            return self.usage()
        except ResponseError:
            return 0, math.inf  # This Redis refuses INFO; `stemvault doctor` reports it.
