"""Slots that the processes of one worker share. A process that dies, however it dies, has none any more."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """So many slots, each held by one process at a time. Made before the processes are forked.

    A slot is one byte of a file that the kernel locks (POSIX record locks, which end with their process). They do not
    keep the threads of one process apart.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold a slot until the block ends, and tell so; False where all are held by others."""
        slot = next(filter(self._lock, range(self.number)), None)
        try:
            yield slot is not None
        finally:
            if slot is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)

    def close(self) -> None:
        """Close the file. Only tests make slots that end before their process."""
        os.close(self._file)

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True
