"""The transfers and the memory of a worker, and the share of each of its processes."""

import resource
from dataclasses import dataclass
from typing import Self

import structlog
from requests.adapters import DEFAULT_POOLSIZE

from config.settings import MAX_PARTS, MIN_PART_BYTES, Settings

log = structlog.get_logger()

#: Descriptors of a process beside its transfers (a generous number), and of each transfer: two of its connection to
#: the source, two of its connection to the bucket, one to Redis, and ``DEFAULT_POOLSIZE`` kept ones to other hosts.
_DESCRIPTORS, _DESCRIPTORS_EACH = 64, 5 + DEFAULT_POOLSIZE
#: Processes beside those that carry transfers, for callbacks, the clock and suspects. The pool adds one more when a
#: task waits for a process (``workers.dispatch.processes.pool``).
OTHER_PROCESSES = 1


def other_processes(settings: Settings) -> int:
    """Return the number of processes beside those that carry transfers; asking the provider needs one more."""
    return OTHER_PROCESSES + settings.asks_the_provider


def carrying_processes(settings: Settings, wanted: int) -> int:
    """Return the number of processes that carry transfers: at most ``wanted``.

    Each has memory for at least one part, and at least one of the transfers that a host may have.
    """
    return max(1, min(wanted, settings.transfers_per_host, _memory(settings) // settings.part_bytes))


@dataclass(frozen=True, slots=True)
class Capacity:
    """The limits of one process."""

    at_once: int = 64
    """Transfers."""
    per_host: int = 56
    """Transfers from one source host."""
    memory: int = 256 * 1024**2
    """Bytes of all buffers together."""
    least_part: int = MIN_PART_BYTES
    """Bytes of the smallest part with which the largest asset still has at most ``MAX_PARTS`` parts."""

    @classmethod
    def of(cls, settings: Settings, processes: int) -> Self:
        """Divide the worker's limits among ``processes``, at most ``carrying_processes``."""
        return cls(
            at_once=settings.transfers // processes,
            per_host=settings.transfers_per_host // processes,
            memory=_memory(settings) // processes,
            least_part=max(MIN_PART_BYTES, -(-settings.max_asset_bytes // MAX_PARTS)),
        )


def make_room_for_descriptors(capacity: Capacity) -> None:
    """Raise the soft limit of open files as the transfers need; log a warning if the hard limit is lower."""
    wanted = _DESCRIPTORS + _DESCRIPTORS_EACH * capacity.at_once
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if now != resource.RLIM_INFINITY and now < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed < wanted:
        log.warning("open_files_limited", limit=allowed, wanted=wanted, hint="raise `ulimit -n`, or lower TRANSFERS")


def _memory(settings: Settings) -> int:
    """Return the bytes for transfers, without the one part of the process that tries suspects alone."""
    return settings.transfer_memory - settings.part_bytes
