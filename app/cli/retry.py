"""``stemvault retry``: have assets tried again that were given up, or at once if they wait."""

from rich.console import Console

from config.settings import Settings
from workers.callbacks.assets import AssetId
from workers.context import open_context
from workers.ledger.records import TaskSnapshot
from workers.recording.recall import recall


def retry_task(console: Console, settings: Settings, task_id: str, name: str | None) -> bool:
    """Set the alarms of the task's missing assets to now, or of the one named, and tell whether there were any.

    The deadline of a given-up asset counts anew, since whoever asks for this has a reason to think that the URL lives.
    A task that Redis has forgotten is taken back from its manifest first.
    """
    context = open_context(settings)
    recall(context, task_id)
    snapshot = context.ledger.snapshot(task_id)
    names = [name] if name else list(snapshot.assets) if snapshot else []
    deadline = context.now() + settings.retention
    revived = [each for each in names if context.ledger.revive(AssetId(task_id, each), deadline=deadline)]
    for each in revived:
        console.print(f"{task_id}/{each}: will be tried again within seconds")
    if not revived:
        console.print(_why_none(snapshot, task_id, name))
    return bool(revived)


def _why_none(snapshot: TaskSnapshot | None, task_id: str, name: str | None) -> str:
    """Say why there is nothing to try again."""
    if snapshot is None:
        return f"Nothing is known of task {task_id}."
    if name is None:
        return f"Nothing of task {task_id} was given up or waits; 'stemvault status {task_id}' tells its state."
    if name not in snapshot.assets:
        return f"Task {task_id} has no asset {name}. It has: {', '.join(snapshot.assets) or 'none'}."
    state = snapshot.assets[name].get("state", "")
    return f"{task_id}/{name} is {state}" + (", and its turn comes within seconds." if state == "pending" else ".")
