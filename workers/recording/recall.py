"""A task that the ledger does not know, but a manifest or an older version's ledger does."""

from workers.context import WorkerContext
from workers.manifest import remembered_task
from workers.recording.adopt import adopt
from workers.recording.record import record_anew


def recall(context: WorkerContext, task_id: str) -> bool:
    """Have the ledger know a task of which something is known; tell whether anything is.

    An asset that was not settled when the manifest was written is in its callbacks alone, so those are recorded anew.
    Raises what ``adopt``, ``remembered_task`` and ``record_anew`` raise.
    """
    if context.ledger.knows(task_id) or adopt(context, task_id):
        return True
    remembered = remembered_task(context, task_id)
    if remembered is None:
        return False
    snapshot, unsettled = remembered
    record_anew(context, snapshot, unsettled=unsettled, remember=context.settings.ledger_retention)
    return True
