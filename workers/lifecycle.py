"""The signals of a worker's and a clock's life: start, fork of the processes, death of a process, end."""

import gc
import sys
from contextlib import ExitStack, suppress

import structlog
from billiard.exceptions import WorkerLostError
from botocore.exceptions import BotoCoreError
from celery.signals import (
    beat_init,
    task_failure,
    worker_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from redis.exceptions import RedisError

from config.settings import EXIT_MISCONFIGURED
from workers.dispatch.processes import shutdown
from workers.dispatch.wake_ups import WOKEN_QUEUES, WakeUps, wake_up_template
from workers.follow_up import recover_from_dead_process
from workers.ledger.connection import open_ledger, open_redis
from workers.ledger.storage.keys import FORMAT
from workers.liveness.signs_of_life import CLOCK, WORKER, heartbeat
from workers.settings import settings
from workers.tasks import archive_assets, archive_suspects, context

log = structlog.get_logger()

#: Holds the heartbeat of this worker or beat until it ends.
_life = ExitStack()


@worker_init.connect
def _share_memory(**_: object) -> None:
    """Make what every pool process needs before the fork, so that the processes share its memory.

    ``gc.freeze`` keeps the garbage collector from writing to these objects, which would copy their pages.
    """
    try:
        context()
    except (ValueError, BotoCoreError) as error:
        print(f"Stemvault cannot start: AWS settings: {error}", file=sys.stderr)  # noqa: T201 - for people
        sys.exit(EXIT_MISCONFIGURED)
    for queue in WOKEN_QUEUES:
        wake_up_template(queue)
    gc.collect()
    gc.freeze()


@worker_ready.connect
def _start_heartbeat_of_worker(**_: object) -> None:
    with suppress(RedisError):
        if (newest := open_ledger(settings).newest_format()) > FORMAT:
            log.warning("newer_version_is_at_work", its_format=newest, own_format=FORMAT)
    _start_heartbeat(WORKER)


@beat_init.connect
def _start_heartbeat_of_clock(**_: object) -> None:
    _start_heartbeat(CLOCK)


def _start_heartbeat(role: str) -> None:
    redis = open_redis(settings.redis_url.get_secret_value(), timeout=2, connect_timeout=2)
    _life.enter_context(heartbeat(redis, role))


@task_failure.connect(sender=archive_assets)
@task_failure.connect(sender=archive_suspects)
def _recover_from_dead_process(task_id: str, exception: BaseException, **_: object) -> None:
    """Make the assets ready at once that a dead pool process held. This runs in the worker's main process.

    It opens a ledger of its own: processes that are forked later would share the connections of ``context()``.
    """
    if isinstance(exception, WorkerLostError):
        ledger = open_ledger(settings)
        assets = recover_from_dead_process(ledger, WakeUps(ledger.redis), f"{task_id}:")
        log.error("worker_process_died", assets=assets)


@worker_shutting_down.connect
def _begin_shutdown(**_: object) -> None:
    shutdown.begin()


@worker_shutdown.connect
def _end_heartbeat(**_: object) -> None:
    _life.close()
