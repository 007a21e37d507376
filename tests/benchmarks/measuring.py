"""Measurement: by the kernel's counters, in alternating rounds, reported as median and range."""

import os
import statistics
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def tree(pids: Iterable[int]) -> list[int]:
    """Give the processes and their descendants."""
    found = list(pids)
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Give the CPU seconds, user and system, of the processes and their descendants."""
    return sum(map(_cpu_seconds, tree(pids)))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICK


def memory(pids: Iterable[int]) -> int:
    """Give the memory of the processes and their descendants in bytes, shared pages counted once (PSS)."""
    return sum(map(_memory, tree(pids)))


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


@contextmanager
def peak_memory(pids: Callable[[], Iterable[int]]) -> Iterator[list[int]]:
    """Sample the memory about fifty times a second; the list's one entry is the highest sample, in bytes.

    Sampling costs processor time, so timed rounds are not sampled.
    """
    peak = [memory(pids())]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], memory(pids()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


class Growth:
    """The growth in memory of a process and its descendants, from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        for each in tree([pid]):
            Path(f"/proc/{each}/clear_refs").write_text("5")  # resets VmHWM to the present size
        self._before = self._highest()

    def bytes(self) -> int:
        """Give the greatest growth of any one process, from now to its peak, in bytes."""
        return max(size - self._before.get(pid, 0) for pid, size in self._highest().items())

    def _highest(self) -> dict[int, int]:
        return {pid: _highest_of_one(pid) for pid in tree([self._pid])}


def _highest_of_one(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@dataclass(frozen=True)
class Spread:
    """The figures of several rounds."""

    figures: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the figures."""
        return statistics.median(self.figures)

    def show(self, digits: int = 2) -> str:
        """Write median and range."""
        low, high = min(self.figures), max(self.figures)
        return f"{self.median:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def in_turn(contestants: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int) -> dict[str, dict[str, Spread]]:
    """Run all contestants in each round, so that a change in the machine's speed affects all of them.

    Each contestant gives its figures by name.
    """
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in contestants}
    for number in range(rounds):
        order = list(contestants)
        # Rotate the order, so that no contestant always runs after the same other one.
        for name in order[number % len(order) :] + order[: number % len(order)]:
            for figure, value in contestants[name]().items():
                figures[name].setdefault(figure, []).append(value)
    return {
        name: {figure: Spread(tuple(values)) for figure, values in found.items()} for name, found in figures.items()
    }


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
