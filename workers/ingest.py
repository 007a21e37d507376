"""The story of a callback: take → read → recall → record → call workers."""

import structlog

from workers.context import WorkerContext
from workers.errors import CallbackFaultError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.intake.received import Received
from workers.recording.recall import recall
from workers.recording.record import keep_for_people, read_callback, record_callback

log = structlog.get_logger()


#: A callback that could not be recorded waits as long as it has waited already, between these bounds in seconds.
SHORTEST_WAIT, MAX_WAIT = 1.0, 20.0
#: So often may a callback be begun and not heard of again, or fail for a reason that no outage explains.
MAX_TRIES = 10


def ingest_next(context: WorkerContext) -> bool:
    """Take in the callback that is due for the longest time; tell whether there was one.

    One that cannot be recorded now (bucket away, say) is given back for later. One over which several processes have
    died, or which has failed again and again by itself, is kept for people. Raises redis-py's errors when Redis cannot
    be reached; then its lease runs out and it is taken again.
    """
    callback = context.received.take()
    if callback is None:
        return False
    if callback.tries > MAX_TRIES:
        keep_for_people(context, callback.body, "it keeps crashing its worker, or failing in it; the log says how")
        context.received.done(callback)
        return True
    try:
        with context.received.held(callback):
            ingest(context, callback.body, callback.received_at)
    except CallbackFaultError as error:
        log.exception("callback_cannot_be_read", tries=callback.tries)
        _postpone(context, callback, error, counted=True)
    except Exception as error:  # noqa: BLE001 - whatever it was, it says nothing about the callback
        _postpone(context, callback, error, counted=False)
    else:
        context.received.done(callback)
    return True


def _postpone(context: WorkerContext, callback: Received, error: Exception, *, counted: bool) -> None:
    wait = min(max(context.now() - callback.received_at, SHORTEST_WAIT), MAX_WAIT)
    log.warning("callback_postponed", error=type(error).__name__, detail=str(error), wait=round(wait, 1))
    context.received.postpone(callback, wait=wait, counted=counted)


def ingest(context: WorkerContext, body: str, received_at: float) -> None:
    """Record one callback's task and assets and call workers to what is new. Harmless when repeated.

    Raises ``CallbackFaultError`` if reading it fails for no known reason, ``TransientError`` when the bucket, and
    redis-py's errors when the ledger cannot be reached.
    """
    try:
        callback = read_callback(context, body)
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_for_people(context, body, str(error))
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        known = recall(context, callback.task_id)
        record_callback(context, callback, body, received_at, known=known)
