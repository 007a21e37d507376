"""The story of a callback: take → read → recall → record → send wake-up messages.

The ingress has acknowledged the callback and kept its body in Redis, or in the bucket while Redis was away.

1. Take: a worker takes the callback that has been due for the longest time, under a lease.
2. Read: ``workers.callbacks`` finds the task id, the family and the files that the callback names.
3. Recall: if the ledger has no record of the task, it gets that of the task's manifest, or of an older version.
4. Record: the ledger records the callback and its assets. New assets are ready for a worker at once.
5. Send wake-up messages: Celery messages wake workers, which store the assets (``workers.archive``).

A body that cannot be read is kept for people under ``_unrecognized/`` in the bucket.
"""

import structlog

from workers.context import WorkerContext
from workers.errors import CallbackFaultError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.intake.received import Received
from workers.recording.recall import recall
from workers.recording.record import keep_for_people, read_callback, record_callback, watch_dead_letter
from workers.watching.notes import read_note

log = structlog.get_logger()


#: Bounds, in seconds, of the backoff of a callback that could not be recorded. The backoff is the callback's age.
SHORTEST_WAIT, MAX_WAIT = 1.0, 20.0
#: Tries that end with a dead process or a fault in reading; after them the callback is kept for people.
MAX_TRIES = 10


def ingest_next(context: WorkerContext) -> bool:
    """Take and record the callback that has been due for the longest time; tell whether there was one.

    A callback that cannot be recorded now, for example because the bucket is away, is postponed. After ``MAX_TRIES``
    dead processes or faults in reading it is kept for people
    (``test_a_callback_that_keeps_crashing_its_worker_is_kept_for_people_with_the_reason``). Raises redis-py's errors
    when Redis cannot be reached; then the callback's lease ends and another worker takes it.
    """
    callback = context.received.take()
    if callback is None:
        return False
    if callback.tries > MAX_TRIES:
        keep_for_people(context, callback.body, "it keeps crashing its worker, or failing; see the worker's log")
        context.received.done(callback)
        return True
    try:
        with context.received.held(callback):
            ingest(context, callback.body, callback.received_at)
    except CallbackFaultError as error:
        log.exception("callback_cannot_be_read", tries=callback.tries)
        _postpone(context, callback, error, counted=True)
    except Exception as error:  # noqa: BLE001 - an outage, and no fault of the callback
        _postpone(context, callback, error, counted=False)
    else:
        context.received.done(callback)
    return True


def _postpone(context: WorkerContext, callback: Received, error: Exception, *, counted: bool) -> None:
    """Give the callback back for later; with ``counted``, the try counts towards ``MAX_TRIES``."""
    wait = min(max(context.now() - callback.received_at, SHORTEST_WAIT), MAX_WAIT)
    log.warning("callback_postponed", error=type(error).__name__, detail=str(error), wait=round(wait, 1))
    context.received.postpone(callback, wait=wait, counted=counted)


def ingest(context: WorkerContext, body: str, received_at: float) -> None:
    """Record one callback's task and assets, and send wake-up messages for new assets. Idempotent.

    ``received_at`` is in unix seconds. Raises ``CallbackFaultError`` if reading fails for an unknown reason,
    ``TransientError`` when the bucket cannot be reached, and redis-py's errors when the ledger cannot be reached. A
    note of a submitted task (``workers.watching.notes``) makes a watch and no record.
    """
    if note := read_note(body):
        context.watches.add(*note, "watch", after=context.watches.interval)
        return
    try:
        callback = read_callback(context, body)
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_for_people(context, body, str(error))
        watch_dead_letter(context, body)
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        known = recall(context, callback.task_id)
        record_callback(context, callback, body, received_at, known=known)
