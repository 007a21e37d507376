"""The buffers of a process's transfers: one budget for all, and each asset takes only as much as it needs."""

import mmap
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Self

from config.settings import MIN_PART_BYTES

_MIB = 1024**2
#: Buffers have these sizes or whole MiB, so that another asset can use them again.
_SMALL = (64 * 1024, 256 * 1024)


def rounded(size: int) -> int:
    """Return the size in bytes of a buffer for ``size`` bytes."""
    return next((small for small in _SMALL if size <= small), -(-size // _MIB) * _MIB)


class TransferMemory:
    """Buffers, ``budget`` bytes of them in all, shared by the threads of a process.

    A transfer reserves ``least`` bytes before its length is known. That is enough to store a file of any allowed
    length, so a transfer that has begun never waits for memory, and no deadlock is possible. Buffers that are given
    back are kept for other transfers: to get memory from the system costs more than to fill it. The budget is held by
    ``test_memory_is_never_beyond_its_budget_and_all_of_it_comes_back``.
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

    def reserve(self, on_fit: Callable[[], object] = lambda: None) -> "Reservation | None":
        """Reserve ``least`` bytes for a transfer; None where they are not free now.

        ``on_fit`` is called when the reservation has been adapted to its file (``Reservation.fit``).
        """
        return Reservation(self, on_fit) if self.promise(self.least) else None

    def promise(self, size: int, *, leaving: int = 0) -> bool:
        """Promise ``size`` more bytes (fewer, if negative) if they are free and ``leaving`` bytes stay free."""
        with self._lock:
            if size > 0 and self._promised + size + leaving > self.budget:
                return False
            self._promised += size
            return True

    @property
    def promised(self) -> int:
        """The bytes that transfers have borrowed or may borrow at any time."""
        return self._promised

    @property
    def allocated(self) -> int:
        """The bytes of all buffers, in use or idle."""
        return self._lent + self._idle_bytes

    def borrow(self, size: int) -> mmap.mmap:
        """Return a buffer of ``size`` bytes, which have been promised. ``size`` is a result of ``rounded``."""
        with self._lock:
            self._lent += size
            if self._idle[size]:
                self._idle_bytes -= size
                return self._idle[size].pop()
            # Idle buffers of other sizes are freed first, or all together would exceed the budget.
            while self._idle_bytes and self._promised + self._idle_bytes > self.budget:
                other = next(size for size, buffers in self._idle.items() if buffers)
                self._idle[other].pop()
                self._idle_bytes -= other
        # Private pages cost less than those that processes may share.
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def give_up_idle(self) -> None:
        """Return idle buffers to the system."""
        with self._lock:
            self._idle.clear()
            self._idle_bytes = 0

    def give_back(self, buffer: mmap.mmap) -> None:
        """Take back a buffer that has no reader any more."""
        with self._lock:
            self._idle[len(buffer)].append(buffer)
            self._lent -= len(buffer)
            self._idle_bytes += len(buffer)


class Reservation:
    """The memory of one transfer, until the ``with`` block ends: one buffer, and a second one if memory is free.

    It begins as a reservation of ``least`` bytes; ``fit`` adapts it to the file.
    """

    def __init__(self, memory: TransferMemory, on_fit: Callable[[], object]) -> None:
        self._memory = memory
        self._on_fit = on_fit
        self.promised = self._size = memory.least
        self._buffers: list[mmap.mmap] = []

    def fit(self, announced: int | None) -> None:
        """Adapt the size to a file of so many bytes, at most a part; None for an unknown length."""
        part = self._memory.part_bytes
        wanted = part if announced is None else min(rounded(announced), part)
        if self._memory.promise(wanted - self._memory.least, leaving=self._left_to_others):
            self._size = self.promised = wanted
        self._on_fit()

    def first(self) -> memoryview:
        """Return the first buffer, for which the memory is reserved."""
        return self._borrowed()

    def second(self) -> memoryview | None:
        """Return a second buffer of the same size, or None where the memory is needed for other transfers."""
        if not self._memory.promise(self._size, leaving=self._left_to_others):
            return None
        self.promised += self._size
        return self._borrowed()

    @property
    def _left_to_others(self) -> int:
        """The bytes that stay free for other transfers to begin when one takes more than its reservation."""
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
        """Give back both buffers and the reservation."""
        for buffer in self._buffers:
            self._memory.give_back(buffer)
        self._buffers.clear()
        self._memory.promise(-self.promised)
        self.promised = 0
