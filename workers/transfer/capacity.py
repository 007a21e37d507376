"""How much a worker carries at a time, and each of its processes."""

import resource
from dataclasses import dataclass
from typing import Self

import structlog
from requests.adapters import DEFAULT_POOLSIZE

from config.settings import MAX_PARTS, MIN_PART_BYTES, Settings

log = structlog.get_logger()

#: What a process opens beside its transfers, generously, and for each of them: two handles of a connection to the
#: source and two of one to the bucket, one to Redis, and a kept connection to each of so many hosts.
_DESCRIPTORS, _DESCRIPTORS_EACH = 64, 5 + DEFAULT_POOLSIZE
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


def make_room_for_descriptors(capacity: Capacity) -> None:
    """Raise this process's limit of open files to what its transfers need; log where it may not be raised so far."""
    wanted = _DESCRIPTORS + _DESCRIPTORS_EACH * capacity.at_once
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if now != resource.RLIM_INFINITY and now < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed < wanted:
        log.warning("open_files_limited", limit=allowed, wanted=wanted, hint="raise `ulimit -n`, or lower TRANSFERS")


def _memory(settings: Settings) -> int:
    """Give the bytes that are left beside the part of a suspect."""
    return settings.transfer_memory - settings.part_bytes
