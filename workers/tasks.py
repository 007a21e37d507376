"""The Celery tasks: thin, each calls one function. How each is acknowledged stands on its decorator."""

import time
from functools import cache
from typing import Any

import structlog
from billiard.exceptions import WorkerLostError
from celery import Task
from celery.signals import task_failure, task_received, worker_ready, worker_shutting_down
from celery.worker import state

from workers import shutdown
from workers.archive import archive_next
from workers.celery import app, settings
from workers.inbox import drain
from workers.ingest import ingest_next
from workers.queues import CALLBACKS
from workers.sweep import sweep as ring_alarms
from workers.vault import Vault, open_ledger, open_vault
from workers.watchdog import Watchdog, end_this_worker

log = structlog.get_logger()


@cache
def vault() -> Vault:
    """Give this process's clients, opened at first use and so after the fork."""
    return open_vault(
        settings,
        send_ticket=_send_ticket,
        must_stop=lambda: shutdown.is_due(settings.shutdown_grace),
    )


# Every message is a ticket: what it stands for is kept by us, and the sweep makes up for tickets that are lost.
# So all are acknowledged when taken up; a second delivery would only find less to do.


@app.task(queue="callbacks", acks_late=False)
def ingest_callback() -> None:
    """Record the callback that is due for the longest time and call workers to its assets."""
    ingest_next(vault())


def _send_ticket(queue: str) -> None:
    if queue == CALLBACKS:
        ingest_callback.apply_async()
    else:
        archive_asset.apply_async((queue,), queue=queue)


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
    drain(vault())


@task_failure.connect(sender=archive_asset)
def _give_back(task_id: str, exception: BaseException, **_: object) -> None:
    """Give back at once what a pool process held that has died; runs in the worker's main process.

    It opens a ledger of its own: ``vault()`` here would be shared with processes forked later.
    """
    if isinstance(exception, WorkerLostError):
        asset = open_ledger(settings).crashed(task_id, now=time.time())
        log.error("worker_process_died", asset=asset)


@worker_ready.connect
def _watch_over_hearing(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
    """Start the watchdog in the worker's main process, over the queues that this worker consumes."""
    ledger = open_ledger(settings)
    queues = list(sender.app.amqp.queues.consume_from)
    watchdog = Watchdog(
        waiting=lambda: sum(ledger.messages(queue) for queue in queues),
        busy=lambda: len(state.active_requests),
        end=end_this_worker,
    )
    task_received.connect(lambda **_: watchdog.heard(), weak=False)
    watchdog.run()


@worker_shutting_down.connect
def _begin_shutdown(**_: object) -> None:
    shutdown.begin()
