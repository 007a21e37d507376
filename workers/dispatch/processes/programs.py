"""The programs ``celery worker`` and ``celery beat``, whose whole output consists of log events.

Celery prints banners, and messages of its signal handlers, to standard output, and warns before it configures logging.
Checked with Celery 5.7.0; ``test_celerys_programs_have_the_hooks_that_ours_override`` fails if the hooks change.
"""

import logging
import sys
from typing import Any

import structlog
from celery import __version__
from celery.apps import beat, worker

from config.logging import log_all_output
from config.settings import EXIT_MISCONFIGURED
from workers.dispatch.processes import shutdown
from workers.dispatch.processes.pool import TaskPool
from workers.settings import settings
from workers.transfer.capacity import Capacity, carrying_processes, make_room_for_descriptors, other_processes

log = structlog.get_logger()


def _say(message: str, _stream: object = None) -> None:
    """Log a message of the worker's signal handlers.

    It bypasses structlog's logger: a signal handler may wait only for logging's lock, which is re-entrant.
    """
    logging.getLogger("celery.apps.worker").warning(message)


# Celery has no setting for it: "worker: Warm shutdown (MainProcess)" is written directly to file descriptor 1.
worker.safe_say = _say


class Worker(worker.Worker):  # type: ignore[misc]  # Celery ships no types
    """The worker's main process."""

    concurrency: int

    def on_before_init(self, **options: Any) -> None:  # noqa: ANN401 - Celery's
        """Configure logging before Celery's first message."""
        log_all_output(settings.log_level)
        super().on_before_init(**options)

    def setup_defaults(self, **options: Any) -> None:  # noqa: ANN401 - Celery's
        """Read Celery's settings. Its ``concurrency`` is the processes for transfers; ``other_processes`` are added."""
        super().setup_defaults(**options)
        if self.pool_cls is not TaskPool:
            print("Stemvault's worker needs its own pool of processes: leave --pool out", file=sys.stderr)  # noqa: T201 - for people
            sys.exit(EXIT_MISCONFIGURED)
        processes = carrying_processes(settings, self.concurrency)
        self.app.conf.worker_concurrency = processes
        self.concurrency = processes + other_processes(settings)
        make_room_for_descriptors(Capacity.of(settings, processes))

    def stop(self, *, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """End after a signal or an error of Celery's: the pool processes hand back their assets."""
        shutdown.begin()
        super().stop(in_sighandler, exitcode)

    def emit_banner(self) -> None:
        """Log the banner's content."""
        log.info(
            "worker_starting",
            name=self.hostname,
            celery=__version__,
            broker=settings.redis_address,
            processes=self.concurrency,
            transfers=settings.transfers,
            transfers_per_host=settings.transfers_per_host,
            transfer_memory=settings.transfer_memory,
            queues=list(self.app.amqp.queues),
        )


class Beat(beat.Beat):  # type: ignore[misc]  # Celery ships no types
    """The clock's process (beat)."""

    def run(self) -> None:
        """Log the start and the end in place of the banner."""
        log_all_output(settings.log_level)
        self.quiet = True
        log.info("beat_starting", celery=__version__, broker=settings.redis_address)
        try:
            super().run()
        finally:
            log.info("beat_ended")
