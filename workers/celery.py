"""The Celery application: which queues there are, and how patient everyone is with Redis."""

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

#: Not every core that a container can see is its own.
MAX_PROCESSES = 4
SWEEP_SECONDS = 5.0
INBOX_SECONDS = 10.0


class StemvaultCelery(Celery):  # type: ignore[misc]  # Celery ships no types
    """Celery with our own programs behind ``celery worker`` and ``celery beat``."""

    @cached_property
    def Worker(self) -> Any:  # noqa: ANN401, N802 - Celery's
        """The program of ``celery worker``."""
        return self.subclass_with_self("workers.dispatch.programs:Worker")

    @cached_property
    def Beat(self) -> Any:  # noqa: ANN401, N802 - Celery's
        """The program of ``celery beat``."""
        return self.subclass_with_self("workers.dispatch.programs:Beat")


app = StemvaultCelery("stemvault", include=["workers.tasks"])
app.conf.update(
    broker_url=settings.redis_url.get_secret_value(),
    broker_transport="workers.dispatch.transport:Transport",
    broker_connection_retry_on_startup=True,
    # However long Redis is away, there is nothing better to do than to try again, every 30 s at last.
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        # After Redis was restarted under it, kombu may wait on a connection that nobody answers any more. It
        # notices after twice this time; the default of 25 s was measured as a minute of deafness.
        "health_check_interval": 3,
    },
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[Queue(name, routing_key=name) for name in QUEUES],
    task_default_queue=CALLBACKS,
    # A ticket for an asset is sent to the queue that it names.
    task_routes={f"workers.tasks.{name}": {"queue": CLOCK} for name in ("sweep", "drain_inbox")},
    task_create_missing_queues=False,
    # A worker may fetch a ticket for each process beyond those it works on; the sweep sends others in their place.
    worker_prefetch_multiplier=1,
    # Celery would fetch less after a connection was lost, until what ran then is done; it need not spare us.
    worker_enable_prefetch_count_reduction=False,
    # Processes that carry transfers, many each; dispatch.programs adds the others. A process computes on one core, so
    # there are as many as cores, and two at least.
    worker_concurrency=min(max(os.cpu_count() or 1, 2), MAX_PROCESSES),
    worker_pool="workers.dispatch.pool:TaskPool",
    worker_send_task_events=False,
    # On SIGQUIT, or a second SIGTERM, what is under way has this long to end or to be handed back.
    worker_soft_shutdown_timeout=settings.shutdown_grace + 10,
    worker_enable_remote_control=True,
    beat_schedule={
        # A sweep that nobody took before the next one came has nothing left to do.
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
    # Beat has nothing to remember, and needs no file that it could not write on a read-only disk.
    beat_scheduler="celery.beat:Scheduler",
)


@setup_logging.connect
def _log_as_json(**_: object) -> None:
    """Configure logging in Celery's place; also in pool processes that are not forked."""
    log_all_output(settings.log_level)


@task_prerun.connect
@task_postrun.connect
def _forget_log_context(**_: object) -> None:
    structlog.contextvars.clear_contextvars()
