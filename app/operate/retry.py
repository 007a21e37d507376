"""``stemvault retry``: have assets tried again that were given up."""

import time

from rich.console import Console

from config.settings import Settings
from workers.assets import AssetId
from workers.ledger import Ledger
from workers.manifest import read_manifest, snapshot_of
from workers.vault import open_ledger, open_store


def retry_task(console: Console, settings: Settings, task_id: str, name: str | None) -> bool:
    """Set the alarms of the task's given-up assets to now, or of the one named, and tell whether there were any.

    Their deadline counts anew, since whoever asks for this has a reason to think that the URLs live.
    A task that Redis has forgotten is taken back from its manifest first.
    """
    ledger = open_ledger(settings)
    names = [name] if name else _names(ledger, settings, task_id)
    now = time.time()
    revived = [
        each for each in names if ledger.revive(AssetId(task_id, each), now=now, deadline=now + settings.retention)
    ]
    for each in revived:
        console.print(f"{task_id}/{each}: will be tried again within seconds")
    if not revived:
        console.print(
            f"Nothing of task {task_id} was given up; 'stemvault status {task_id}' tells what is known of it."
        )
    return bool(revived)


def _names(ledger: Ledger, settings: Settings, task_id: str) -> list[str]:
    if not ledger.knows(task_id):
        manifest = read_manifest(open_store(settings), settings, task_id)
        if manifest is not None:
            ledger.restore(snapshot_of(manifest), remember=settings.ledger_retention)
    snapshot = ledger.snapshot(task_id)
    return list(snapshot.assets) if snapshot else []
