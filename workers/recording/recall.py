"""Restores a task that the ledger does not know, from its manifest or from an older version's record."""

from workers.context import WorkerContext
from workers.manifest import remembered_task
from workers.recording.adopt import adopt
from workers.recording.record import record_anew


def recall(context: WorkerContext, task_id: str) -> bool:
    """Restore a task to the ledger, if it is not there; tell whether the task is known now.

    The manifest restores settled assets only. If it names others, its callbacks are recorded anew. Raises the errors of
    ``adopt``, ``remembered_task`` and ``record_anew``.
    """
    if context.ledger.knows(task_id) or adopt(context, task_id):
        return True
    remembered = remembered_task(context, task_id)
    if remembered is None:
        return False
    snapshot, unsettled = remembered
    record_anew(context, snapshot, unsettled=unsettled, remember=context.settings.ledger_retention)
    return True
