"""How much a worker carries at a time, and each of its processes."""

from dataclasses import dataclass
from typing import Self

from config.settings import MAX_PARTS, MIN_PART_BYTES, Settings

#: Beside those that carry transfers, a worker has a process that is always free for callbacks and the clock, and one
#: that tries suspects alone.
OTHER_PROCESSES = 2


def carrying_processes(settings: Settings, wanted: int) -> int:
    """Give how many processes carry transfers: as many as are wanted, with a part and a transfer a host each."""
    return max(1, min(wanted, settings.transfers_per_host, _memory(settings) // settings.part_bytes))


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one process carries at most."""

    at_once: int = 64
    """Transfers."""
    per_host: int = 56
    """Of them, those from one source host."""
    memory: int = 256 * 1024**2
    """Bytes for all of their buffers together."""
    least_part: int = MIN_PART_BYTES
    """Bytes of a part with which the largest asset still has no more parts than S3 allows."""

    @classmethod
    def of(cls, settings: Settings, processes: int) -> Self:
        """Divide what a worker may carry among so many processes, ``carrying_processes`` at most."""
        return cls(
            at_once=settings.transfers // processes,
            per_host=settings.transfers_per_host // processes,
            memory=_memory(settings) // processes,
            least_part=max(MIN_PART_BYTES, -(-settings.max_asset_bytes // MAX_PARTS)),
        )


def _memory(settings: Settings) -> int:
    """Give the bytes that are left beside the part of a suspect."""
    return settings.transfer_memory - settings.part_bytes
