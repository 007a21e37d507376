"""The memory in which assets lie on their way: a budget for all, and of that no more for an asset than it needs."""

import mmap
import threading
from collections import defaultdict
from typing import Self

from config.settings import MIN_PART_BYTES

_MIB = 1024**2
#: Buffers are of these sizes or whole MiB, so that those of one asset fit another.
_SMALL = (64 * 1024, 256 * 1024)


def rounded(size: int) -> int:
    """Give how many bytes a buffer has that is to hold ``size``."""
    return next((small for small in _SMALL if size <= small), -(-size // _MIB) * _MIB)


class TransferMemory:
    """Buffers, ``budget`` bytes of them in all, shared by the threads of a process.

    Who begins a transfer reserves a part of ``least`` bytes, before anything is known of its length. With as much, a
    file of any allowed length can be stored, so nobody who has begun ever waits for memory, and no two can wait for
    each other. What is given back is kept for others: getting memory from the system costs more than filling it.
    """

    def __init__(self, budget: int, part_bytes: int, *, least: int = MIN_PART_BYTES) -> None:
        if budget < least:
            raise ValueError(f"a budget of {budget} bytes is less than the least part, {least}")
        self.budget = budget
        self.part_bytes = part_bytes
        self.least = least
        self._promised = self._lent = 0
        self._idle: dict[int, list[mmap.mmap]] = defaultdict(list)
        self._idle_bytes = 0
        self._lock = threading.Lock()

    def reserve(self) -> "Share | None":
        """Reserve what a transfer needs at least; None where that is not free now."""
        return Share(self) if self.promise(self.least) else None

    def promise(self, size: int, *, leaving: int = 0) -> bool:
        """Promise a transfer so many bytes more (fewer, if negative), if they are free and ``leaving`` as many."""
        with self._lock:
            if size > 0 and self._promised + size + leaving > self.budget:
                return False
            self._promised += size
            return True

    @property
    def promised(self) -> int:
        """How many bytes transfers have, or may have at once."""
        return self._promised

    @property
    def held(self) -> int:
        """How many bytes all buffers have, in use or not."""
        return self._lent + self._idle_bytes

    def borrow(self, size: int) -> mmap.mmap:
        """Give a buffer of ``rounded(size)`` bytes, which have been promised."""
        with self._lock:
            self._lent += size
            if self._idle[size]:
                self._idle_bytes -= size
                return self._idle[size].pop()
            # What lies idle in other sizes is given up for it, or both together would be beyond the budget.
            while self._idle_bytes and self._promised + self._idle_bytes > self.budget:
                other = next(size for size, buffers in self._idle.items() if buffers)
                self._idle[other].pop()
                self._idle_bytes -= other
        # Private pages cost less than those that processes may share.
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def give_up_idle(self) -> None:
        """Give to the system what nobody uses."""
        with self._lock:
            self._idle.clear()
            self._idle_bytes = 0

    def give_back(self, buffer: mmap.mmap) -> None:
        """Take a buffer back, which nobody looks at any more."""
        with self._lock:
            self._idle[len(buffer)].append(buffer)
            self._lent -= len(buffer)
            self._idle_bytes += len(buffer)


class Share:
    """One transfer's part of the memory, until the ``with`` block ends: one buffer, and a second one if there is room.

    At first it is a reservation; ``fit`` makes it as large as the file.
    """

    def __init__(self, memory: TransferMemory) -> None:
        self._memory = memory
        self.promised = self._size = memory.least
        self._buffers: list[mmap.mmap] = []

    def fit(self, announced: int | None) -> None:
        """Make it as large as a file of so many bytes needs, at most a part; None for a length that nobody knows."""
        part = self._memory.part_bytes
        wanted = part if announced is None else min(rounded(announced), part)
        if self._memory.promise(wanted - self._memory.least, leaving=self._left_to_others):
            self._size = self.promised = wanted

    def first(self) -> memoryview:
        """Give the buffer that is always there."""
        return self._borrowed()

    def second(self) -> memoryview | None:
        """Give another one of the same size, or None where the memory is needed for others."""
        if not self._memory.promise(self._size, leaving=self._left_to_others):
            return None
        self.promised += self._size
        return self._borrowed()

    @property
    def _left_to_others(self) -> int:
        """What makes a transfer faster takes no memory without which others could not begin."""
        return self._memory.budget // 4

    def _borrowed(self) -> memoryview:
        buffer = self._memory.borrow(self._size)
        self._buffers.append(buffer)
        return memoryview(buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give all of it back."""
        for buffer in self._buffers:
            self._memory.give_back(buffer)
        self._buffers.clear()
        self._memory.promise(-self.promised)
        self.promised = 0
