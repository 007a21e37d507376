"""The Celery application: its queues, its schedule, and its time limits for Redis."""

import os
from functools import cached_property
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from kombu import Queue

from config.logging import log_all_output
from workers.dispatch.queues import CALLBACKS, CLOCK, QUEUES
from workers.settings import settings

#: The most processes by default: a container may see cores that it must share.
MAX_PROCESSES = 4
#: Seconds between two sweeps, and between two drains of the inbox.
SWEEP_SECONDS = 5.0
INBOX_SECONDS = 10.0


class StemvaultCelery(Celery):  # type: ignore[misc]  # Celery ships no types
    """Celery with our own programs for ``celery worker`` and ``celery beat``."""

    @cached_property
    def Worker(self) -> Any:  # noqa: ANN401, N802 - Celery's
        """The program of ``celery worker``."""
        return self.subclass_with_self("workers.dispatch.processes.programs:Worker")

    @cached_property
    def Beat(self) -> Any:  # noqa: ANN401, N802 - Celery's
        """The program of ``celery beat``."""
        return self.subclass_with_self("workers.dispatch.processes.programs:Beat")


app = StemvaultCelery("stemvault", include=["workers.tasks", "workers.lifecycle"])
app.conf.update(
    broker_url=settings.redis_url.get_secret_value(),
    broker_transport="workers.dispatch.transport:Transport",
    broker_connection_retry_on_startup=True,
    # Without an end: the retries' interval grows to 30 s while Redis is away.
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        # After a restart of Redis, kombu may wait on a dead connection. It notices after twice this time; with the
        # default of 25 s, a worker was measured to receive nothing for a minute.
        "health_check_interval": 3,
    },
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[Queue(name, routing_key=name) for name in QUEUES],
    task_default_queue=CALLBACKS,
    # Wake-up messages are sent to the queue that they are for (workers.dispatch.wake_ups).
    task_routes={f"workers.tasks.{name}": {"queue": CLOCK} for name in ("sweep", "drain_inbox")},
    task_create_missing_queues=False,
    # A worker prefetches one message for each process that it starts with. If it dies, the sweep sends others in their
    # place.
    worker_prefetch_multiplier=1,
    # Celery would prefetch less after a lost connection until the running tasks are done; ours are not redelivered.
    worker_enable_prefetch_count_reduction=False,
    # The processes that carry transfers, many in each; processes.programs adds the others. A process uses one core, so
    # there is one for each core, and at least two.
    worker_concurrency=min(max(os.cpu_count() or 1, 2), MAX_PROCESSES),
    worker_pool="workers.dispatch.processes.pool:TaskPool",
    worker_send_task_events=False,
    # Seconds for transfers to end or to be handed back after SIGQUIT or a second SIGTERM.
    worker_soft_shutdown_timeout=settings.shutdown_grace + 10,
    worker_enable_remote_control=True,
    beat_schedule={
        # A sweep that no worker has started before the next one is due is not needed any more.
        "sweep": {
            "task": "workers.tasks.sweep",
            "schedule": SWEEP_SECONDS,
            "options": {"expires": 2 * SWEEP_SECONDS},
        },
        "drain_inbox": {
            "task": "workers.tasks.drain_inbox",
            "schedule": INBOX_SECONDS,
            "options": {"expires": 2 * INBOX_SECONDS},
        },
    },
    # Beat keeps no state, so that it needs no writable disk.
    beat_scheduler="celery.beat:Scheduler",
)


@setup_logging.connect
def _log_as_json(**_: object) -> None:
    """Configure logging in place of Celery, also in pool processes that are not forked."""
    log_all_output(settings.log_level)


@task_prerun.connect
@task_postrun.connect
def _clear_log_context(**_: object) -> None:
    structlog.contextvars.clear_contextvars()
