"""The lines of ``stemvault status`` about watched tasks and the provider."""

from collections.abc import Callable

from redis import Redis
from rich.console import Console
from rich.table import Table

from app.cli.backfill.pauses import described
from config.settings import Settings
from workers.watching.watches import Watches, open_watches

_MAX_SHOWN = 10


def show_watched(
    console: Console, settings: Settings, redis: "Redis", counters: dict[str, int], span: Callable[[float], str]
) -> None:
    """Show the watched tasks, the pause of the provider, and how many watches have ended how. Nothing if none ever was.

    ``span`` writes seconds. Raises redis-py's errors.
    """
    watches = open_watches(redis, settings)
    ended = {name: count for name, count in sorted(counters.items()) if name.startswith("watches|")}
    number, pauses = watches.number(), watches.turns.pauses()
    if not (ended or number or pauses):
        return
    by_outcome = "  ".join(f"{' '.join(filter(None, name.split('|')[1:]))} {count:,}" for name, count in ended.items())
    console.print(f"Watched tasks: {number:,}   Watches that have ended: {by_outcome or 'none'}", highlight=False)
    if number and not settings.asks_the_provider:
        console.print("The settings here name no provider and key; the provider is asked only if the workers' ones do.")
    for pause in pauses:
        own = pause.fingerprint == watches.turns.fingerprint
        key = "" if own else " with another address or key than the settings here have"
        console.print(f"[red]The provider is not asked{key}:[/red] {described(pause)}", highlight=False)
    if number:
        console.print(_next_requests(watches, span))


def described_watch(settings: Settings, redis: "Redis", task_id: str, span: Callable[[float], str]) -> str:
    """Describe the state of a task of which only its watch is known; empty without one. Raises redis-py's errors."""
    watches = open_watches(redis, settings)
    watch = next(watches.states([task_id]))
    if watch is None:
        return ""
    asked = f"the provider was asked {watch.asked} times"
    if watch.outcome:
        reason = f" ({watch.reason})" if watch.reason else ""
        return f"Task {task_id} has no record: {asked}, and its watch ended as {watch.outcome}{reason}."
    since = span(watches.turns.now() - watch.since)
    return f"Task {task_id} has been watched for {since}: {asked}, and no callback or answer has named a file yet."


def _next_requests(watches: Watches, span: Callable[[float], str]) -> Table:
    table = Table("task", "family", "watched for", "requests so far", "next request", title="Next requests")
    now = watches.turns.now()
    shown = watches.next_ones(_MAX_SHOWN)
    states = watches.states(task for task, _ in shown)
    for (task, at), watch in zip(shown, states, strict=True):
        due = span(at - now) if at > now else "now"
        if watch:
            table.add_row(task, watch.family or "?", watch.purpose, str(watch.asked), due)
    return table
