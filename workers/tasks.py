"""The Celery tasks. Each calls one function of a story.

- ``ingest_callback`` (queue ``callbacks``): ``workers.ingest`` records callbacks and their assets.
- ``archive_assets`` (``urgent``, ``assets``): ``workers.carry`` stores many assets at a time by ``workers.archive``.
- ``archive_suspects`` (``suspects``): ``workers.archive`` stores, one at a time, assets that dead processes held.
- ``poll_tasks`` (``polls``): ``workers.polling`` asks the provider about watched tasks.
- ``sweep`` (``alarms``, every 5 seconds): ``workers.clock.sweep`` fires the timers that are due.
- ``drain_inbox`` (``alarms``, every 10 seconds): ``workers.clock.drain`` moves callbacks from the inbox to Redis.

A message is only a wake-up and carries no data. The callbacks and assets that wait are kept in Redis
(``workers.intake``, ``workers.ledger``). So every message is acknowledged at once and none is redelivered; the sweep
replaces lost ones (``test_lost_wake_ups_are_made_up_for_by_the_sweep``).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from typing import Any, ParamSpec

import structlog
from celery import Task

from workers.archive import archive_next
from workers.carry import carry
from workers.celery import app
from workers.clock.drain import drain
from workers.clock.sweep import sweep as fire_timers
from workers.context import WorkerContext, open_context
from workers.dispatch.containment import contained
from workers.dispatch.processes import shutdown
from workers.dispatch.processes.slots import Slots, WorkerSlots
from workers.dispatch.queues import ASSET_QUEUES, CALLBACKS, SUSPECTS
from workers.follow_up import wake_workers
from workers.ingest import ingest_next
from workers.intake.fullness import RECORDING_STOPS
from workers.liveness.signs_of_life import POLL, SWEEP, SignsOfLife
from workers.polling.poll import poll
from workers.recording.adopt import adopt_older, forget_older
from workers.settings import settings
from workers.transfer.memory import TransferMemory

log = structlog.get_logger()

#: Seconds for which one wake-up message has a worker record callbacks. A sweep may wait behind it.
TURN = 1.0

Arguments = ParamSpec("Arguments")


@cache
def _slots() -> WorkerSlots:
    """Give the worker's slots. The first call is in ``worker_init``, so they are made before the fork.

    ``workers.dispatch.processes.programs`` has set ``worker_concurrency`` to the number of processes that carry
    transfers.
    """
    return WorkerSlots(Slots(app.conf.worker_concurrency), Slots(1), Slots(1))


@cache
def context() -> WorkerContext:
    """Give the worker's context. It is opened before the fork, and only used after it: see ``_share_memory``."""
    return open_context(
        settings,
        processes=_slots().carriers.number,
        must_stop=lambda: shutdown.is_due(settings.shutdown_grace),
        is_ending=shutdown.is_due,
    )


@cache
def _context_for_one() -> WorkerContext:
    """Give the worker context with memory for one transfer, in addition to that of the carrying processes."""
    memory = TransferMemory(settings.part_bytes, settings.part_bytes, least=context().capacity.least_part)
    return replace(context(), memory=memory)


def _contained(task: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Log an error that a task raises, and do not pass it on to Celery.

    A pool process must not send a traceback to the worker: their pipe takes it in several writes. If the broker is lost
    meanwhile, Celery 5.7 drops the bytes of the message that it has read, and reads the rest as the next message's
    length. It then never learns that the process is idle. The test is
    ``test_an_error_is_logged_and_does_not_leave_its_pool_process``.
    """

    @wraps(task)
    def within(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with contained(task.__name__):
            task(*args, **kwargs)

    return within


@app.task(acks_late=False)
@_contained
def ingest_callback() -> None:
    """Record the callbacks that are due, for ``TURN`` seconds, and send wake-up messages for their assets.

    After that time another wake-up message is sent, so that the queues take turns
    (``test_a_wake_up_lasts_while_there_is_work_for_a_turn_and_not_into_a_shutdown``). If Redis is nearly full, only one
    callback is recorded.
    """
    if context().fullness() >= RECORDING_STOPS:
        log.warning("broker_full", waiting=context().received.waiting())
        ingest_next(context())
        return
    turn_ends = time.monotonic() + TURN
    while not context().must_stop() and ingest_next(context()):
        if time.monotonic() > turn_ends:
            context().wake_ups.send(CALLBACKS, 1)
            return


@app.task(bind=True, acks_late=False)
@_contained
def archive_assets(self: "Task[Any, Any]") -> None:
    """Store assets, many at a time, until none is ready. Do nothing if enough processes of this worker do so."""
    queues = [queue for queue in ASSET_QUEUES if queue in app.amqp.queues.consume_from]
    with _slots().carriers.held() as has_slot:
        if not has_slot:
            return
        carry(context(), queues, owner_prefix=self.request.id)
    # Messages that arrived while all slots were taken were dropped, so one is sent again if assets are left.
    wake_workers(context(), queues)


@app.task(bind=True, acks_late=False)
@_contained
def archive_suspects(self: "Task[Any, Any]") -> None:
    """Store suspects, assets that dead processes held: one at a time, in a process that does nothing else."""
    with _slots().suspects.held() as has_slot:
        if not has_slot:
            return
        while not context().is_ending() and archive_next(_context_for_one(), [SUSPECTS], owner=f"{self.request.id}:0"):
            pass
    wake_workers(context(), [SUSPECTS])


@app.task(acks_late=False)
@_contained
def poll_tasks() -> None:
    """Ask the provider about the watched tasks that are due, in one process of a worker at a time."""
    if context().provider is None:
        return
    SignsOfLife(context().ledger.redis).give(POLL)
    with _slots().polls.held() as free:
        if free:
            poll(context())


@app.task(acks_late=False)
@_contained
def sweep() -> None:
    """Fire the timers that are due, of this version's ledger and of older ones."""
    forget_older(context())
    fire_timers(context())
    adopt_older(context())
    SignsOfLife(context().ledger.redis).give(SWEEP)


@app.task(acks_late=False)
@_contained
def drain_inbox() -> None:
    """Move the callbacks that came while Redis was away from the bucket to Redis."""
    drain(context())
