"""The Celery tasks: thin, each calls one function. How each is acknowledged stands on its decorator."""

from functools import cache
from typing import Any

import structlog
from celery import Task
from celery.exceptions import Reject, Retry

from workers.archive import archive
from workers.assets import AssetId
from workers.celery import app, settings
from workers.ingest import ingest, keep_unrecognized
from workers.sweep import sweep as ring_alarms
from workers.vault import Vault, open_vault

log = structlog.get_logger()

#: Countdowns stay below the visibility timeout, or the message would be delivered twice (kombu#337).
_LONGEST_COUNTDOWN = 120
#: How often a callback may fail before it is set aside: at 120 s each, more than a day.
_MOST_TRIES = 1000


@cache
def vault() -> Vault:
    """Give this process's clients, opened at first use and so after the fork."""
    return open_vault(settings, send=_send_asset)


def _send_asset(task_id: str, asset: str, queue: str) -> object:
    return archive_asset.apply_async((task_id, asset), queue=queue)


# Until it is recorded, the message is the only copy of a callback: acknowledged when that is done,
# sent again when its worker dies (at most max_retries times, so that a deadly one does not loop).
@app.task(bind=True, acks_late=True, reject_on_worker_lost=True, retry_on_worker_lost=True, max_retries=_MOST_TRIES)
def ingest_callback(self: "Task[Any, Any]", body: str, received_at: float) -> None:
    """Record a callback (its body as it came, and when, in unix seconds) and send out its assets."""
    try:
        ingest(vault(), body, received_at)
    except Exception as error:  # noqa: BLE001 - whatever it was, the callback must not be lost
        _try_again(self, error, body)


def _try_again(task: "Task[Any, Any]", error: Exception, body: str) -> None:
    tries = task.request.retries
    log.warning("callback_postponed", error=type(error).__name__, tries=tries)
    if tries >= _MOST_TRIES:
        keep_unrecognized(vault(), body, f"given up after {tries} tries: {type(error).__name__}")
        return
    try:
        task.retry(exc=error, countdown=min(_LONGEST_COUNTDOWN, 2**tries))
    except Retry:
        raise
    except Exception:  # noqa: BLE001 - what could not be published again must not be acknowledged either
        raise Reject(type(error).__name__, requeue=True) from None


# The ledger is the truth and its alarms bring an asset back: acknowledged when taken up, so that a
# worker's death costs one message and not a second delivery beside the alarm's.
@app.task(acks_late=False)
def archive_asset(task_id: str, asset: str) -> None:
    """Store one asset, given its task's id and its name within the task."""
    archive(vault(), AssetId(task_id, asset))


@app.task(acks_late=False)
def sweep() -> None:
    """Ring the alarms that are due."""
    ring_alarms(vault())
