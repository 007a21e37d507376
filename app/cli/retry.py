"""``stemvault retry``: retry assets that were given up, and those that wait for their next attempt."""

from rich.console import Console

from config.settings import Settings
from workers.callbacks.assets import AssetId
from workers.context import open_context
from workers.ledger.values.records import TaskSnapshot
from workers.recording.recall import recall


def retry_task(console: Console, settings: Settings, task_id: str, name: str | None) -> bool:
    """Set the timers of the task's missing assets, or of the named one, to now, and tell whether there were any.

    A given-up asset gets a new deadline: the operator asks for the retry, so the URL is assumed to work again. If Redis
    has forgotten the task, its record is restored from the manifest first.
    """
    context = open_context(settings)
    recall(context, task_id)
    snapshot = context.ledger.snapshot(task_id)
    names = [name] if name else list(snapshot.assets) if snapshot else []
    deadline = context.now() + settings.retention
    revived = [each for each in names if context.ledger.revive(AssetId(task_id, each), deadline=deadline)]
    for each in revived:
        console.print(f"{task_id}/{each}: will be retried within seconds")
    if not revived:
        console.print(_why_none(snapshot, task_id, name))
    return bool(revived)


def _why_none(snapshot: TaskSnapshot | None, task_id: str, name: str | None) -> str:
    """Say why there is nothing to retry."""
    if snapshot is None:
        return f"Task {task_id} is unknown: it is neither in Redis nor in the bucket. Check the id."
    if name is None:
        return f"Task {task_id} has no asset to retry. 'stemvault status {task_id}' shows its state."
    if name not in snapshot.assets:
        return f"Task {task_id} has no asset {name}. It has: {', '.join(snapshot.assets) or 'none'}."
    state = snapshot.assets[name].state or ""
    return f"{task_id}/{name} is {state}" + (
        ", and will be tried within seconds." if state == "pending" else ", so there is nothing to retry."
    )
