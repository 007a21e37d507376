"""A task that the ledger does not know, but a manifest or an older version's ledger does."""

from workers.adopt import adopt
from workers.manifest import remembered_task
from workers.recording import record_anew
from workers.vault import Vault


def recall(vault: Vault, task_id: str) -> bool:
    """Have the ledger know a task of which something is known; tell whether anything is.

    An asset that was not settled when the manifest was written is in its callbacks alone, so those are recorded anew.
    Raises what ``adopt``, ``remembered_task`` and ``record_anew`` raise.
    """
    if vault.ledger.knows(task_id) or adopt(vault, task_id):
        return True
    remembered = remembered_task(vault, task_id)
    if remembered is None:
        return False
    snapshot, unsettled = remembered
    record_anew(vault, snapshot, unsettled=unsettled, remember=vault.settings.ledger_retention)
    return True
