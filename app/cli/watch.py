"""``stemvault watch``: register submitted tasks. The fleet asks the provider about them until they are settled."""

from collections.abc import Iterable, Iterator

from rich.console import Console

from app.cli.backfill.pauses import described
from app.cli.preconditions import missing_processes, missing_settings
from app.cli.task_lists.entries import Entry, Fault, read_entries, usable
from app.cli.task_lists.lines import STDIN, lines_of, opened
from config.settings import Settings
from workers.ledger.connection import open_ledger
from workers.watching.watches import open_watches


def watch_tasks(console: Console, settings: Settings, tasks: Iterable[str], *, family: str) -> bool:
    """Watch tasks, ``-`` for a list on standard input; tell whether all are watched and the provider can be asked.

    ``family`` is that of tasks which name none, or empty if it is to be found by asking. Raises redis-py's errors, and
    ``TaskListError``. Watching a task twice is harmless.
    """
    redis = open_ledger(settings).redis
    watches = open_watches(redis, settings)
    watched, all_usable = 0, True
    for each in _named(tasks, family):
        if isinstance(each, Fault):
            console.print(f"{_place(each)}{each.why}", markup=False, highlight=False, soft_wrap=True)
            all_usable = False
            continue
        watches.add(each.task_id, each.family, "watch", after=settings.poll_interval)
        watched += 1
        if not each.line:
            console.print(f"{each.task_id}: watched{f' as {each.family}' if each.family else ''}", highlight=False)
    when = f"in {settings.poll_interval:g} s, and again until they are settled"
    console.print(f"{watched:,} watched" + (f": the provider is asked {when}" if watched else ""), highlight=False)
    fault = missing_settings(settings)
    pause = watches.turns.paused()
    paused = f"The provider is not asked at present: {described(pause)}" if pause else ""
    for missing in filter(None, (fault, paused, *missing_processes(redis))):
        console.print(missing, markup=False, highlight=False, soft_wrap=True)
    return all_usable and not fault and not pause


def _named(tasks: Iterable[str], family: str) -> Iterator[Entry | Fault]:
    """Give the tasks of the command line, which have line 0, and those of standard input."""
    for task in tasks:
        if task == STDIN:
            with opened(STDIN) as source:
                yield from read_entries(lines_of(source), family=family)
        elif why := usable(task):
            yield Fault(0, why)
        else:
            yield Entry(0, task, family)


def _place(fault: Fault) -> str:
    return f"line {fault.line}: " if fault.line else ""
