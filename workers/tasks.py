"""The Celery tasks: thin, each calls one function. How each is acknowledged stands on its decorator."""

import gc
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Any, ParamSpec

import structlog
from billiard.exceptions import WorkerLostError
from botocore.exceptions import BotoCoreError
from celery import Task
from celery.signals import beat_init, task_failure, worker_init, worker_ready, worker_shutdown, worker_shutting_down
from redis.exceptions import RedisError

from config.settings import EXIT_MISCONFIGURED
from workers.archive import archive_next
from workers.carry import carry
from workers.celery import app
from workers.context import Clients, WorkerContext, open_clients, open_context
from workers.dispatch import shutdown
from workers.dispatch.containment import contained
from workers.dispatch.queues import ASSET_QUEUES, CALLBACKS, SUSPECTS
from workers.dispatch.slots import Slots
from workers.dispatch.wake_ups import WakeUps
from workers.drain import drain
from workers.follow_up import call_to_what_is_left, take_up_again
from workers.ingest import ingest_next
from workers.intake.fullness import RECORDING_STOPS
from workers.ledger.connection import open_ledger, open_redis
from workers.ledger.keys import FORMAT
from workers.liveness.signs_of_life import CLOCK, SWEEP, WORKER, SignsOfLife, heartbeat
from workers.recording.adopt import adopt_older, make_room
from workers.s3.client import s3_models
from workers.settings import settings
from workers.sweep import sweep as fire_timers
from workers.transfer.capacity import Capacity
from workers.transfer.memory import TransferMemory

log = structlog.get_logger()

#: So long, in seconds, a ticket's worker goes on with the next callback. The sweep waits at most so long behind it.
TURN = 1.0

Arguments = ParamSpec("Arguments")

#: Holds this process's heartbeat until it ends.
_life = ExitStack()


@dataclass(frozen=True, slots=True)
class _Slots:
    """What the processes of a worker share."""

    carriers: Slots
    """Held by a process while it carries transfers."""
    suspects: Slots
    """Held by the process that tries suspects."""


@cache
def _slots() -> _Slots:
    """Give the worker's slots. They are made before the fork, as ``worker_init`` asks for them first.

    ``workers.dispatch.programs`` has set the number of processes that carry.
    """
    return _Slots(Slots(app.conf.worker_concurrency), Slots(1))


@cache
def _clients() -> Clients:
    """Give the clients for S3. They are made before the fork, and used behind it only."""
    return open_clients(Capacity.of(settings, _slots().carriers.number).at_once)


@cache
def context() -> WorkerContext:
    """Give this process's clients, opened at first use and so after the fork."""
    return open_context(
        settings,
        processes=_slots().carriers.number,
        clients=_clients(),
        must_stop=lambda: shutdown.is_due(settings.shutdown_grace),
        is_ending=shutdown.is_due,
    )


@cache
def _context_for_one() -> WorkerContext:
    """Give the same with memory for one transfer, beside what the carrying processes have."""
    memory = TransferMemory(settings.part_bytes, settings.part_bytes, least=context().capacity.least_part)
    return replace(context(), memory=memory)


# Every message is a ticket: what it stands for is kept by us, and the sweep makes up for tickets that are lost.
# So all are acknowledged when taken up; a second delivery would only find less to do.


def _contained(task: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Log what a task raises, and let none of it out of its process.

    Celery need not know of it. And it must not: what a process sends to the worker must fit into one write to their
    pipe, which a traceback does not. When the broker is lost, Celery 5.7 forgets the part that it has read of a longer
    message, takes what follows for the next one's length, and never again hears that the process is idle.
    """

    @wraps(task)
    def within(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with contained(task.__name__):
            task(*args, **kwargs)

    return within


@app.task(acks_late=False)
@_contained
def ingest_callback() -> None:
    """Record callbacks that are due and call workers to their assets; where Redis is nearly full, one at a time.

    After a turn, other queues have theirs, and this comes again.
    """
    if context().fullness() >= RECORDING_STOPS:
        log.warning("broker_full", waiting=context().received.waiting())
        ingest_next(context())
        return
    turn_ends = time.monotonic() + TURN
    while not context().must_stop() and ingest_next(context()):
        if time.monotonic() > turn_ends:
            context().wake_ups.call(CALLBACKS, 1)
            return


@app.task(bind=True, acks_late=False)
@_contained
def archive_assets(self: "Task[Any, Any]") -> None:
    """Store assets, many at a time, as long as any is ready. Where enough processes do so, leave it to them."""
    queues = [queue for queue in ASSET_QUEUES if queue in app.amqp.queues.consume_from]
    with _slots().carriers.held() as is_wanted:
        if not is_wanted:
            return
        carry(context(), queues, shift=self.request.id)
    # A ticket that came between the last look and the end of the slot was taken for one too many.
    call_to_what_is_left(context(), queues)


@app.task(bind=True, acks_late=False)
@_contained
def archive_suspects(self: "Task[Any, Any]") -> None:
    """Store assets over which processes have died, one at a time, in a process that does nothing else meanwhile."""
    with _slots().suspects.held() as is_wanted:
        if not is_wanted:
            return
        while not context().is_ending() and archive_next(_context_for_one(), [SUSPECTS], owner=f"{self.request.id}:0"):
            pass
    call_to_what_is_left(context(), [SUSPECTS])


@app.task(acks_late=False)
@_contained
def sweep() -> None:
    """Ring the alarms that are due."""
    make_room(context())
    fire_timers(context())
    adopt_older(context())
    SignsOfLife(context().ledger.redis).give(SWEEP)


@app.task(acks_late=False)
@_contained
def drain_inbox() -> None:
    """Take in the callbacks that arrived while the broker was down."""
    drain(context())


@task_failure.connect(sender=archive_assets)
@task_failure.connect(sender=archive_suspects)
def _take_up_again(task_id: str, exception: BaseException, **_: object) -> None:
    """Have taken up at once what a pool process held that has died; runs in the worker's main process.

    It opens a ledger of its own: ``context()`` here would be shared with processes forked later.
    """
    if isinstance(exception, WorkerLostError):
        ledger = open_ledger(settings)
        assets = take_up_again(ledger, WakeUps(ledger.redis), f"{task_id}:")
        log.error("worker_process_died", assets=assets)


@worker_init.connect
def _share_memory(**_: object) -> None:
    """Before the pool's processes are forked, read what all of them need, and keep the collector from copying it.

    It would touch every object that it looks at, and so give each process pages of its own.
    """
    try:
        _clients()
    except (ValueError, BotoCoreError) as error:
        print(f"Stemvault cannot start: AWS settings: {error}", file=sys.stderr)  # noqa: T201 - for people
        sys.exit(EXIT_MISCONFIGURED)
    s3_models()
    gc.collect()
    gc.freeze()


@worker_shutting_down.connect
def _begin_shutdown(**_: object) -> None:
    shutdown.begin()


@worker_ready.connect
def _show_life_of_worker(**_: object) -> None:
    with suppress(RedisError):
        if (newest := open_ledger(settings).newest_format()) > FORMAT:
            log.warning("newer_version_is_at_work", its_format=newest, own_format=FORMAT)
    _show_life(WORKER)


@beat_init.connect
def _show_life_of_clock(**_: object) -> None:
    _show_life(CLOCK)


def _show_life(role: str) -> None:
    redis = open_redis(settings.redis_url.get_secret_value(), timeout=2, connect_timeout=2)
    _life.enter_context(heartbeat(redis, role))


@worker_shutdown.connect
def _end_life(**_: object) -> None:
    _life.close()
