"""The story of a callback: take → read → recall → record → call workers."""

import structlog

from workers.errors import CallbackFaultError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.recall import recall
from workers.received import Received
from workers.recording import keep_for_people, read_callback, record_callback
from workers.vault import Vault

log = structlog.get_logger()


#: A callback that could not be recorded waits as long as it has waited already, between these bounds in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 20.0
#: So often may a callback be begun and not heard of again, or fail for a reason that no outage explains.
MOST_TRIES = 10


def ingest_next(vault: Vault) -> bool:
    """Take in the callback that is due for the longest time; tell whether there was one.

    One that cannot be recorded now (bucket away, say) is given back for later. One over which several processes have
    died, or which has failed again and again by itself, is kept for people. Raises redis-py's errors when Redis cannot
    be reached; then its lease runs out and it is taken again.
    """
    callback = vault.received.take()
    if callback is None:
        return False
    if callback.tries > MOST_TRIES:
        keep_for_people(vault, callback.body, "it keeps crashing its worker, or failing in it; the log says how")
        vault.received.done(callback)
        return True
    try:
        with vault.received.held(callback):
            ingest(vault, callback.body, callback.received_at)
    except CallbackFaultError as error:
        log.exception("callback_cannot_be_read", tries=callback.tries)
        _postpone(vault, callback, error, counted=True)
    except Exception as error:  # noqa: BLE001 - whatever it was, it says nothing about the callback
        _postpone(vault, callback, error, counted=False)
    else:
        vault.received.done(callback)
    return True


def _postpone(vault: Vault, callback: Received, error: Exception, *, counted: bool) -> None:
    wait = min(max(vault.now() - callback.received_at, SHORTEST_WAIT), LONGEST_WAIT)
    log.warning("callback_postponed", error=type(error).__name__, detail=str(error), wait=round(wait, 1))
    vault.received.postpone(callback, wait=wait, counted=counted)


def ingest(vault: Vault, body: str, received_at: float) -> None:
    """Record one callback's task and assets and call workers to what is new. Harmless when repeated.

    Raises ``CallbackFaultError`` if reading it fails for no known reason, ``TransientError`` when the bucket, and
    redis-py's errors when the ledger cannot be reached.
    """
    try:
        callback = read_callback(vault, body)
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_for_people(vault, body, str(error))
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        known = recall(vault, callback.task_id)
        record_callback(vault, callback, body, received_at, known=known)
