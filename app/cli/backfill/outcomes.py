"""The outcome of each task of a backfill: counted, and written to a file for scripts."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from app.cli.task_lists.entries import Entry, Fault
from workers.errors import StemvaultError

Outcome = Literal["archived", "already_there", "failed", "gone", "given_up", "incomplete", "unfinished"]

#: The meaning of each outcome, in the order of the report.
MEANINGS: dict[Outcome, str] = {
    "archived": "archived now",
    "already_there": "already there: archived before, not asked about and not fetched",
    "failed": "failed: the provider reports a failure, so there are no files",
    "gone": "gone: the provider does not know the task in this family (any more)",
    "given_up": "given up: the provider names no result within STEMVAULT_POLL_GIVE_UP",
    "incomplete": "incomplete: not all of its files could be archived ('stemvault status TASK' says why)",
    "unfinished": "unfinished: workers go on with it as soon as they can; run this command again to see its outcome",
}
#: Outcomes without which nothing is missing. A task that failed has no files.
FINE: frozenset[Outcome] = frozenset({"archived", "already_there", "failed"})


#: Takes a line of the report.
Write = Callable[[str], object]


class Tell(Protocol):
    """Takes the outcome of a task; ``detail`` says more for people."""

    def __call__(self, entry: Entry, outcome: Outcome, detail: str = "") -> None:
        """Take it."""


class Outcomes:
    """Counts outcomes, and gives each to ``write`` as a line of JSON. It keeps no task."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.counts: Counter[Outcome] = Counter()
        self.unusable = 0

    def tell(self, entry: Entry, outcome: Outcome, detail: str = "") -> None:
        """Count the outcome of a task."""
        self.counts[outcome] += 1
        told = {"line": entry.line, "task_id": entry.task_id, "family": entry.family}
        self._write(json.dumps({**told, "outcome": outcome, "detail": detail}))

    def tell_fault(self, fault: Fault) -> None:
        """Count an entry that cannot be used. A duplicate is not counted."""
        outcome = "duplicate" if fault.is_duplicate else "unusable"
        self.unusable += not fault.is_duplicate
        told = {"line": fault.line, "task_id": None, "family": None, "outcome": outcome, "detail": fault.why}
        self._write(json.dumps(told))

    @property
    def done(self) -> int:
        """How many tasks have an outcome."""
        return self.counts.total()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing in the bucket that the list names."""
        return not self.unusable and not set(self.counts) - FINE


@contextmanager
def report_to(name: str | None, *, source: str) -> Iterator[Write]:
    """Open the report, replacing an earlier one; without a name, lines are dropped. Each line is written at once.

    Raises ``StemvaultError`` if the file cannot be written, or if it is the list of tasks itself.
    """
    if name is None:
        yield lambda _: None
        return
    path = Path(name)
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise StemvaultError(f"--report {name} is the list of tasks itself. Give the report another name.")
    try:
        file = path.open("w", buffering=1, encoding="utf-8")
    except OSError as error:
        raise StemvaultError(f"--report {name} cannot be written: {error.strerror}.") from None
    with file:
        yield lambda line: print(line, file=file)
