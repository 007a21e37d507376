"""What a store guarantees for a write, as far as this process knows."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from workers.errors import TransientError

log = structlog.get_logger()

#: An examination that failed is not repeated for so many seconds.
REST_SECONDS = 60.0


class Checksum(StrEnum):
    """Which checksum a store compares with the body that it has received."""

    UNKNOWN = "unknown"
    CRC32C = "crc32c"
    MD5 = "md5"
    NONE = "none"


class Condition(StrEnum):
    """What a store does with ``If-None-Match: *``."""

    UNKNOWN = "unknown"
    ATOMIC = "atomic"
    """Of any two writers one is refused."""
    HONOURED = "honoured"
    """A writer who comes later is refused. Of two at the same time both may be told that they have written."""
    IGNORED = "ignored"
    REFUSED = "refused"
    """A write with a condition fails."""


@dataclass(frozen=True)
class Guarantees:
    """What a store does with one kind of write, and what we have to do therefore."""

    checksum: Checksum = Checksum.UNKNOWN
    condition: Condition = Condition.UNKNOWN

    @property
    def needs_md5(self) -> bool:
        """Whether a body carries its MD5."""
        return self.checksum in {Checksum.MD5, Checksum.UNKNOWN}

    @property
    def takes_condition(self) -> bool:
        """Whether a write says ``If-None-Match: *``."""
        return self.condition is not Condition.REFUSED

    @property
    def needs_look(self) -> bool:
        """Whether to ask before a write if there is an object."""
        return self.condition in {Condition.IGNORED, Condition.REFUSED, Condition.UNKNOWN}

    @property
    def needs_proof(self) -> bool:
        """Whether to ask after a write that succeeded if it is what stands there."""
        return self.condition is not Condition.ATOMIC


UNKNOWN = Guarantees()
#: AWS documents both, so nothing is tried there and nothing asked again.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
OF_AWS = Guarantees(Checksum.CRC32C, Condition.ATOMIC)


class Learned:
    """What is found out about one kind of write, once a process. Threads share it, and none waits for another.

    While one thread examines the store, or after an examination that failed, the answer is ``UNKNOWN``, with which a
    write takes every precaution. An outage teaches nothing: the examination is made again after ``REST_SECONDS``.
    """

    def __init__(self, kind: str, known: Guarantees | None, monotonic: Callable[[], float]) -> None:
        self._kind = kind
        self._known = known
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rests_until = monotonic()

    @property
    def known(self) -> Guarantees:
        """What is known by now."""
        return self._known or UNKNOWN

    def ask(self, examine: Callable[[], Guarantees]) -> Guarantees:
        """Give what is known; where nothing is, have it examined.

        A ``TransientError`` of ``examine`` is logged; all others are raised.
        """
        if self._known or not self._lock.acquire(blocking=False):
            return self.known
        try:
            if self._known is None and self._monotonic() >= self._rests_until:
                self._known = self._examined(examine)
            return self.known
        finally:
            self._lock.release()

    def _examined(self, examine: Callable[[], Guarantees]) -> Guarantees | None:
        try:
            found = examine()
        except TransientError as error:
            self._rests_until = self._monotonic() + REST_SECONDS
            log.warning("store_not_examined", write=self._kind, detail=error.detail)
            return None
        log.info("store_examined", write=self._kind, checksum=found.checksum, condition=found.condition)
        return found
