"""The memory that the command's own code holds.

Not the peak of the whole process: Python's table of names grows by 10 MB at once, in whichever test that happens.
"""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_OURS = tracemalloc.Filter(inclusive=True, filename_pattern="*/app/cli/*")


@dataclass
class Held:
    """The most bytes that were held when ``measure`` was called."""

    most: int = 0
    times: int = 0

    def measure(self) -> None:
        statistics = tracemalloc.take_snapshot().filter_traces([_OURS]).statistics("filename")
        self.most = max(self.most, sum(each.size for each in statistics))
        self.times += 1


@contextmanager
def tracing() -> Iterator[Held]:
    tracemalloc.start()
    yield Held()
    tracemalloc.stop()
