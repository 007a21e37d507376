"""``stemvault retry``: have assets tried again that were given up, or at once if they wait."""

from rich.console import Console

from config.settings import Settings
from workers.assets import AssetId
from workers.ingest import recall
from workers.vault import open_vault


def retry_task(console: Console, settings: Settings, task_id: str, name: str | None) -> bool:
    """Set the alarms of the task's missing assets to now, or of the one named, and tell whether there were any.

    The deadline of a given-up asset counts anew, since whoever asks for this has a reason to think that the URL lives.
    A task that Redis has forgotten is taken back from its manifest first.
    """
    vault = open_vault(settings)
    recall(vault, task_id)
    snapshot = vault.ledger.snapshot(task_id)
    names = [name] if name else list(snapshot.assets) if snapshot else []
    deadline = vault.now() + settings.retention
    revived = [each for each in names if vault.ledger.revive(AssetId(task_id, each), deadline=deadline)]
    for each in revived:
        console.print(f"{task_id}/{each}: will be tried again within seconds")
    if not revived:
        console.print(
            f"Nothing of task {task_id} was given up; 'stemvault status {task_id}' tells what is known of it."
        )
    return bool(revived)
