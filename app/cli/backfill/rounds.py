"""The story of a backfill: look → watch → wait for the provider's answer → wait for the files → tell the outcome.

1. Look: a task that is archived already is told at once. Neither the provider nor a source is asked.
2. Watch: the fleet asks the provider about the task and records the answer like a callback (``workers.polling``).
3. Wait until the watch has ended: the provider named the files, reported a failure, or does not know the task.
4. Wait until the files are settled and the manifest is written.
5. Tell the outcome, and forget the task.

This process changes nothing but watches. So it can be stopped at any time, and the fleet continues with the watched
tasks. Each step may be repeated: after an error of Redis or the bucket, the next round begins where this one ended.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import Enum

from app.cli.backfill.outcomes import Outcome, Tell
from app.cli.task_lists.entries import Entry
from workers.dispatch.queues import POLLS
from workers.dispatch.wake_ups import WakeUps
from workers.ledger.ledger import Ledger
from workers.manifest import ManifestError
from workers.watching.watches import Watch, Watches

#: The most tasks about which the provider has not been asked yet: enough for the fleet to be busy between two rounds.
MAX_UNASKED = 200
#: The most tasks in hand. Some files take an hour or more to settle, and the other tasks must not wait for them.
MAX_IN_HAND = 2000


class Phase(Enum):
    """The event for which a task waits."""

    LOOK = "look"
    ASK = "ask"
    FILES = "files"


@dataclass(slots=True)
class Task:
    """A task in hand."""

    entry: Entry
    phase: Phase = Phase.LOOK
    is_asked: bool = False
    """Whether the provider was asked about it at least once."""
    watch: Watch | None = None
    """The watch that has ended."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The ledger, watches and functions that a backfill uses."""

    ledger: Ledger
    watches: Watches
    wake_ups: WakeUps
    status: Callable[[str], str | None]
    """Sums a task up from the ledger, or from its manifest; None if neither knows it. Raises ``TransientError``."""
    threads: Executor
    """For looking at several tasks at once."""


class Rounds:
    """A backfill of ``entries``, which are read as room becomes free. ``tell`` gets each outcome once."""

    def __init__(self, parts: Parts, entries: Iterator[Entry], tell: Tell) -> None:
        self._parts = parts
        self._entries = entries
        self._tell = tell
        self._in_hand: dict[str, Task] = {}
        self._is_read = False

    def in_phase(self, phase: Phase) -> list[Task]:
        """Give the tasks that wait for this."""
        return [task for task in self._in_hand.values() if task.phase is phase]

    def leave(self) -> None:
        """Tell that the tasks in hand are unfinished."""
        for task in list(self._in_hand.values()):
            self._finish(task, "unfinished")

    @property
    def is_over(self) -> bool:
        """Whether each task has its outcome."""
        return self._is_read and not self._in_hand

    def run_one(self) -> bool:
        """Look at each task in hand once; tell whether there are new ones to look at, so that the next round can begin.

        Raises redis-py's errors and ``TransientError``; no task is lost then, and the next round goes on.
        """
        self._fill()
        finished = self._look()
        self._see_answers()
        self._see_files()
        return finished > 0

    def _fill(self) -> None:
        """Take further tasks in hand."""
        room = MAX_UNASKED - sum(not task.is_asked for task in self._in_hand.values())
        for _ in range(min(room, MAX_IN_HAND - len(self._in_hand))):
            if (entry := next(self._entries, None)) is None:
                self._is_read = True
                return
            self._in_hand[entry.task_id] = Task(entry)

    def _look(self) -> int:
        """Finish the new tasks that are done already, and watch the others; give the number of the former."""
        new = self.in_phase(Phase.LOOK)
        finished = 0
        for task, found in zip(new, self._parts.threads.map(self._begin, new), strict=True):
            if found:
                self._finish(task, *found)
                finished += 1
            else:
                task.phase = Phase.ASK
        if finished < len(new):
            self._parts.wake_ups.send(POLLS, 1)
        return finished

    def _begin(self, task: Task) -> tuple[Outcome, str] | None:
        """Give the outcome of a task that is done already, or watch it. Threads run this."""
        try:
            status = self._parts.status(task.entry.task_id)
        except ManifestError as error:  # No worker could record the provider's answer.
            return "incomplete", error.detail
        if status == "archived":
            return "already_there", ""
        if status == "failed":
            return "failed", "known before"
        self._watch(task)
        return None

    def _watch(self, task: Task) -> None:
        self._parts.watches.add(task.entry.task_id, task.entry.family, "backfill")

    def _see_answers(self) -> None:
        """Find the tasks about which the provider is not asked any more."""
        asked = self.in_phase(Phase.ASK)
        for task, watch in zip(asked, self._parts.watches.states(_ids(asked)), strict=True):
            # Redis lost the watch, or the watch was one for fresh URLs alone.
            if watch is None or watch.reason == "still_running":
                self._watch(task)
                continue
            task.is_asked = watch.asked > 0 or watch.outcome is not None
            if watch.outcome:
                task.watch, task.phase = watch, Phase.FILES

    def _see_files(self) -> None:
        """Finish the tasks whose files are settled."""
        waiting = self.in_phase(Phase.FILES)
        settled = [
            task
            for task, is_settled in zip(waiting, self._parts.ledger.settled(_ids(waiting)), strict=True)
            if is_settled
        ]
        for task, found in zip(settled, self._parts.threads.map(self._outcome, settled), strict=True):
            self._finish(task, *found)

    def _outcome(self, task: Task) -> tuple[Outcome, str]:
        """Give the outcome of a task whose watch has ended and whose files are settled. Threads run this."""
        watch = task.watch
        reason = watch.reason if watch else ""
        try:
            status = self._parts.status(task.entry.task_id)
        except ManifestError as error:
            return "incomplete", error.detail
        if status == "archived":
            return "archived", ""
        if watch and watch.outcome in {"gone", "given_up"}:
            return watch.outcome, reason
        if status == "failed" or (watch and watch.outcome == "failed" and status is None):
            return "failed", reason
        return "incomplete", "" if status else "the provider's answer names no file that Stemvault knows"

    def _finish(self, task: Task, outcome: Outcome, detail: str = "") -> None:
        del self._in_hand[task.entry.task_id]
        found = task.watch.family if task.watch else ""
        self._tell(replace(task.entry, family=task.entry.family or found), outcome, detail)


def _ids(tasks: Iterable[Task]) -> list[str]:
    return [task.entry.task_id for task in tasks]
