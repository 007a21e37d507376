"""``stemvault backfill``: read the list, archive the tasks that the provider still has, and report."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from redis.exceptions import RedisError
from rich.console import Console

from app.cli.backfill.outcomes import FINE, MEANINGS, Outcome, Outcomes, Write, report_to
from app.cli.backfill.pauses import Pauses
from app.cli.backfill.progress import Standing, showing
from app.cli.backfill.rounds import Parts, Phase, Rounds
from app.cli.preconditions import missing_processes, missing_settings
from app.cli.task_lists.duplicates import without_duplicates
from app.cli.task_lists.entries import Entry, Fault, read_entries
from app.cli.task_lists.lines import ByteStream, lines_of, opened
from config.settings import Settings
from workers.bucket.store import Store
from workers.context import open_store
from workers.dispatch.wake_ups import WakeUps
from workers.errors import StemvaultError, TransientError
from workers.ledger.connection import open_ledger
from workers.ledger.ledger import Ledger
from workers.manifest import read_manifest, status
from workers.watching.watches import open_watches

#: Tasks that are looked for in the bucket at the same time.
_AT_ONCE = 8
#: Seconds between two rounds.
_EVERY = 1.0
#: Seconds for which Redis or the bucket may be away before the command ends.
_PATIENCE = 120.0
#: The most entries that are told because they cannot be used. The report has all of them.
_MAX_TOLD = 20
_INTERRUPTED = 130


def run_backfill(console: Console, settings: Settings, name: str, *, family: str, report: str | None) -> int:
    """Archive the tasks that the file ``name`` lists, and give the exit status: 0 if nothing is missing.

    ``family`` is that of entries that name none. Raises ``StemvaultError`` for a list or a report that cannot be used,
    ``TransientError`` and redis-py's errors if the bucket or Redis stays away.
    """
    if fault := missing_settings(settings):
        raise StemvaultError(fault)
    ledger = open_ledger(settings)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        parts = Parts(
            ledger=ledger,
            watches=open_watches(ledger.redis, settings),
            wake_ups=WakeUps(ledger.redis),
            status=partial(known_status, settings, ledger, open_store(settings, at_once=_AT_ONCE)),
            threads=threads,
        )
        for missing in missing_processes(ledger.redis):
            console.print(missing, soft_wrap=True)
        with opened(name) as source, report_to(report, source=name) as write:
            return Backfill(console, parts, write).run(source, family=family)


def known_status(settings: Settings, ledger: Ledger, store: Store, task_id: str) -> str | None:
    """Sum a task up (``workers.manifest.status``), from the ledger, or else from its manifest; None if neither has it.

    Raises redis-py's errors, ``TransientError`` and ``ManifestError``.
    """
    if snapshot := ledger.snapshot(task_id):
        return status(snapshot)
    manifest = read_manifest(store, settings, task_id)
    return str(manifest["status"]) if manifest else None


class Backfill:
    """One run. ``sleep`` and ``monotonic`` are in seconds."""

    def __init__(
        self,
        console: Console,
        parts: Parts,
        write: Write,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._parts = parts
        self._outcomes = Outcomes(write)
        self._sleep = sleep
        self._monotonic = monotonic
        self._told = 0
        self._missing = 0
        self._total: int | None = None
        self._away: set[str] = set()

    def run(self, source: ByteStream, *, family: str = "") -> int:
        """Archive the tasks of a list; give the exit status. An interruption ends the run, with the outcomes so far."""
        self._total = self._count(source, family)
        rounds = Rounds(self._parts, self._entries(source, family), self._tell_outcome)
        try:
            self._run(rounds)
        except KeyboardInterrupt:
            self._console.print("Stopped. The fleet continues with the unfinished tasks. Run it again at any time.")
            return _INTERRUPTED
        finally:
            rounds.leave()
            self._report()
        return 0 if self._outcomes.is_complete else 1

    def _count(self, source: ByteStream, family: str) -> int | None:
        """Count the tasks, if the list can be read twice."""
        if not source.seekable():
            return None
        total = sum(isinstance(each, Entry) for each in _read(source, family))
        source.seek(0)
        return total

    def _entries(self, source: ByteStream, family: str) -> Iterator[Entry]:
        """Give the entries that can be used, and tell the others."""
        for each in _read(source, family):
            if isinstance(each, Entry):
                yield each
                continue
            self._outcomes.tell_fault(each)
            self._tell(each)

    def _tell(self, fault: Fault) -> None:
        self._told += 1
        if self._told <= _MAX_TOLD:
            self._print(f"line {fault.line}: {fault.why}")
        if self._told == _MAX_TOLD:
            self._print("Further lines are not told here; --report FILE gets all of them.")

    def _tell_outcome(self, entry: Entry, outcome: Outcome, detail: str = "") -> None:
        """Count an outcome, and name the first tasks that are missing."""
        self._outcomes.tell(entry, outcome, detail)
        if outcome in FINE or outcome == "unfinished":
            return
        self._missing += 1
        if self._missing <= _MAX_TOLD:
            self._print(f"{outcome}: {entry.task_id}" + (f" ({detail})" if detail else ""))
        if self._missing == _MAX_TOLD:
            self._print("Further tasks that are missing are not named here; --report FILE gets all of them.")

    def _run(self, rounds: Rounds) -> None:
        pauses = Pauses(self._console, self._monotonic)
        answered_at = self._monotonic()
        with showing(self._console, self._monotonic) as show:
            while not rounds.is_over:
                go_on = False
                try:
                    go_on = rounds.run_one()
                    pause = self._parts.watches.turns.paused()
                    answered_at = self._monotonic()
                except (RedisError, TransientError) as error:
                    self._wait_for_outage(error, self._monotonic() - answered_at)
                else:
                    pauses.look(pause)
                asking, storing = (len(rounds.in_phase(phase)) for phase in (Phase.ASK, Phase.FILES))
                show(Standing(self._outcomes.done, self._total, asking, storing))
                if not go_on and not rounds.is_over:
                    self._sleep(_EVERY)

    def _wait_for_outage(self, error: Exception, away: float) -> None:
        """Tell once that Redis or the bucket is away; raise the error again after ``_PATIENCE`` seconds."""
        if away > _PATIENCE:
            raise error
        component = "Redis" if isinstance(error, RedisError) else "The bucket"
        if component not in self._away:
            self._away.add(component)
            self._print(f"{component} did not answer ({type(error).__name__}). The backfill tries again each second.")

    def _report(self) -> None:
        """Print how many tasks have which outcome."""
        counts = self._outcomes.counts
        for outcome, meaning in MEANINGS.items():
            if number := counts[outcome]:
                self._print(f"{number:>7,}  {meaning}")
        if (left := (self._total or 0) - self._outcomes.done) > 0:
            self._print(f"{left:>7,}  not reached: the fleet does not know of them yet")
        if self._outcomes.unusable:
            self._print(f"{self._outcomes.unusable:>7,}  entries of the list cannot be used")
        if not counts and not self._outcomes.unusable:
            self._print("The list names no task.")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)


def _read(source: ByteStream, family: str) -> Iterator[Entry | Fault]:
    return without_duplicates(read_entries(lines_of(source), family=family))
