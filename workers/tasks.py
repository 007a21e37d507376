"""The Celery tasks: thin, each calls one function. How each is acknowledged stands on its decorator."""

import time
from functools import cache
from typing import Any

import structlog
from billiard.exceptions import WorkerLostError
from celery import Task
from celery.exceptions import Reject, Retry
from celery.signals import task_failure, worker_shutting_down

from workers import shutdown
from workers.archive import archive_next
from workers.celery import app, settings
from workers.inbox import drain
from workers.ingest import ingest
from workers.sweep import sweep as ring_alarms
from workers.vault import Vault, open_ledger, open_vault

log = structlog.get_logger()

#: Countdowns stay below the visibility timeout, or the message would be delivered twice (kombu#337).
_LONGEST_COUNTDOWN = 20


@cache
def vault() -> Vault:
    """Give this process's clients, opened at first use and so after the fork."""
    return open_vault(
        settings,
        send_ticket=lambda queue: archive_asset.apply_async((queue,), queue=queue),
        send_callback=lambda body, received_at: ingest_callback.apply_async((body, received_at)),
        must_stop=lambda: shutdown.is_due(settings.shutdown_grace),
    )


# Until it is recorded, the message is the only copy of a callback: acknowledged when that is done, given
# to another process when its own dies. The ledger counts such deaths and ends the loop.
@app.task(bind=True, queue="callbacks", acks_late=True, reject_on_worker_lost=True, max_retries=None)
def ingest_callback(self: "Task[Any, Any]", body: str, received_at: float) -> None:
    """Record a callback (its body as it came, and when, in unix seconds) and call workers to its assets."""
    try:
        ingest(vault(), body, received_at)
    except Exception as error:  # noqa: BLE001 - whatever it was, the callback must not be lost
        _try_again(self, error)


def _try_again(task: "Task[Any, Any]", error: Exception) -> None:
    tries = task.request.retries
    log.warning("callback_postponed", error=type(error).__name__, detail=str(error), tries=tries)
    try:
        task.retry(exc=error, countdown=min(_LONGEST_COUNTDOWN, 2 ** min(tries, 8)))
    except Retry:
        raise
    except Exception:  # noqa: BLE001 - what could not be published again must not be acknowledged either
        raise Reject(type(error).__name__, requeue=True) from None


# The ledger is the truth and its alarms bring an asset back: acknowledged when taken up, so that a
# worker's death costs one ticket and brings no second delivery beside the alarm's.
@app.task(bind=True, acks_late=False)
def archive_asset(self: "Task[Any, Any]", queue: str) -> None:
    """Store the asset that expires first of those that a ticket from ``queue`` may stand for."""
    archive_next(vault(), queue, owner=self.request.id)


@app.task(queue="alarms", acks_late=False)
def sweep() -> None:
    """Ring the alarms that are due."""
    ring_alarms(vault())


@app.task(queue="alarms", acks_late=False)
def drain_inbox() -> None:
    """Take in the callbacks that arrived while the broker was down."""
    drain(vault().store, settings.layout, vault().send_callback)


@task_failure.connect(sender=archive_asset)
def _give_back(task_id: str, exception: BaseException, **_: object) -> None:
    """Give back at once what a pool process held that has died; runs in the worker's main process.

    It opens a ledger of its own: ``vault()`` here would be shared with processes forked later.
    """
    if isinstance(exception, WorkerLostError):
        asset = open_ledger(settings).crashed(task_id, now=time.time())
        log.error("worker_process_died", asset=asset)


@worker_shutting_down.connect
def _begin_shutdown(**_: object) -> None:
    shutdown.begin()
