"""The guarantees of a store for a write, as far as this process knows them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import structlog

from workers.errors import TransientError

log = structlog.get_logger()

#: Seconds after a failed examination before the next one.
REST_SECONDS = 60.0


class Checksum(StrEnum):
    """The checksum that a store compares with the received body."""

    UNKNOWN = "unknown"
    CRC32C = "crc32c"
    MD5 = "md5"
    NONE = "none"


class Condition(StrEnum):
    """How a store treats ``If-None-Match: *``."""

    UNKNOWN = "unknown"
    ATOMIC = "atomic"
    """Of two writers, one is always refused."""
    HONOURED = "honoured"
    """A write to an existing key is refused. Two writes at the same moment may both be answered with success."""
    IGNORED = "ignored"
    REFUSED = "refused"
    """Any write with a condition fails."""


@dataclass(frozen=True)
class Guarantees:
    """A store's guarantees for one kind of write, and the precautions that follow from them."""

    checksum: Checksum = Checksum.UNKNOWN
    condition: Condition = Condition.UNKNOWN

    @property
    def needs_md5(self) -> bool:
        """Whether a body must carry its MD5."""
        return self.checksum in {Checksum.MD5, Checksum.UNKNOWN}

    @property
    def takes_condition(self) -> bool:
        """Whether a write carries ``If-None-Match: *``."""
        return self.condition is not Condition.REFUSED

    @property
    def needs_look(self) -> bool:
        """Whether to look for an object before the write."""
        return self.condition in {Condition.IGNORED, Condition.REFUSED, Condition.UNKNOWN}

    @property
    def needs_proof(self) -> bool:
        """Whether to compare the object with the written one after a successful write."""
        return self.condition is not Condition.ATOMIC


UNKNOWN = Guarantees()
#: AWS documents both guarantees, so AWS is not examined (``test_a_write_to_aws_needs_no_examination_and_no_head``).
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
OF_AWS = Guarantees(Checksum.CRC32C, Condition.ATOMIC)


class Learned:
    """The guarantees for one kind of write. Threads share them, and a process examines the store once.

    While one thread examines the store, the other threads get ``UNKNOWN``, with which a write takes every precaution
    (``test_threads_that_write_while_one_examines_do_not_wait_for_it``). After a failed
    examination, all threads get ``UNKNOWN``, and the next examination follows after ``REST_SECONDS``
    (``test_an_examination_that_fails_in_an_outage_is_repeated_later``).
    """

    def __init__(self, kind: str, known: Guarantees | None, monotonic: Callable[[], float]) -> None:
        self._kind = kind
        self._known = known
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rests_until = monotonic()

    @property
    def known(self) -> Guarantees:
        """The guarantees, ``UNKNOWN`` before the examination."""
        return self._known or UNKNOWN

    def ask(self, examine: Callable[[], Guarantees]) -> Guarantees:
        """Return the guarantees; call ``examine`` if they are not known.

        A ``TransientError`` of ``examine`` is logged; other errors are raised.
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
