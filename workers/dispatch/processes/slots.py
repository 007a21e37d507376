"""Slots that the processes of one worker share. The kernel frees the slot of a process that dies.

``test_a_slot_is_free_again_when_its_process_was_killed``
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class Slots:
    """``number`` slots, each held by one process at a time. They are made before the processes are forked.

    A slot is one byte of a file with a POSIX record lock, which ends with its process. Such locks do not exclude the
    threads of one process from each other.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold a slot until the block ends. The value is False if other processes hold all slots."""
        slot = next(filter(self._lock, range(self.number)), None)
        try:
            yield slot is not None
        finally:
            if slot is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)

    def close(self) -> None:
        """Close the file. Only tests need it: a worker's slots last as long as its process."""
        os.close(self._file)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class WorkerSlots:
    """The slots of one worker, by the work for which they are."""

    carriers: Slots
    """A process holds one while it carries transfers."""
    suspects: Slots
    """A process holds the one slot while it tries suspects."""
    polls: Slots
    """A process holds the one slot while it asks the provider."""
