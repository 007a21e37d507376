"""The progress of a backfill: a bar on a terminal, and elsewhere a line every few seconds."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

#: Seconds between two lines, and between two lines that are the same.
_EVERY, _EVERY_SAME = 5.0, 60.0
#: Seconds over which the rate is measured.
_PERIOD = 60.0
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a backfill is, in tasks."""

    done: int
    total: int | None
    """None for a list of unknown length."""
    asking: int
    """About how many the provider is being asked."""
    storing: int
    """Of how many files are being stored."""

    def text(self, rate: float) -> str:
        """Say it in a line. ``rate`` is in tasks a second."""
        parts = [f"{self.done:,} of {self.total:,} tasks done" if self.total else f"{self.done:,} tasks done"]
        if self.total:
            remaining = max(self.total - self.done, 0)
            parts.append(f"{remaining:,} remaining")
            if rate and remaining:
                parts.append(f"about {_span(remaining / rate)} left")
        parts += [f"{rate:.1f} a second", f"asking about {self.asking:,}, storing {self.storing:,}"]
        return ", ".join(parts)


class Pace:
    """Tasks a second over the last ``_PERIOD`` seconds, by at most one measurement a second."""

    def __init__(self) -> None:
        self._measured: deque[tuple[float, int]] = deque()

    def rate(self, now: float, done: int) -> float:
        """Measure, and give the rate; 0 at first."""
        while self._measured and self._measured[0][0] < now - _PERIOD:
            self._measured.popleft()
        if not self._measured or now - self._measured[-1][0] >= 1:
            self._measured.append((now, done))
        since, before = self._measured[0]
        return (done - before) / (now - since) if now > since else 0.0


@contextmanager
def showing(console: Console, monotonic: Callable[[], float]) -> Iterator[Callable[[Standing], None]]:
    """Give a function that shows how far the backfill is."""
    pace = Pace()
    if not console.is_terminal:
        lines = _Lines(console, monotonic)
        yield lambda standing: lines.show(standing.text(pace.rate(monotonic(), standing.done)))
        return
    with Progress(BarColumn(20), TextColumn("{task.description}"), console=console, transient=True) as bar:
        shown = bar.add_task("", total=None)

        def show(standing: Standing) -> None:
            text = standing.text(pace.rate(monotonic(), standing.done))
            bar.update(shown, completed=standing.done, total=standing.total, description=text)

        yield show


class _Lines:
    """Prints a line of progress every few seconds, and the same one again every minute."""

    def __init__(self, console: Console, monotonic: Callable[[], float]) -> None:
        self._console = console
        self._monotonic = monotonic
        self._last, self._at = "", monotonic()

    def show(self, text: str) -> None:
        waited = self._monotonic() - self._at
        if waited < _EVERY or (text == self._last and waited < _EVERY_SAME):
            return
        self._console.print(text, highlight=False, soft_wrap=True)
        self._last, self._at = text, self._monotonic()


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"
