"""Celery's prefork pool, with one process more when work waits, and a fix for several processes that die at once.

Celery waits for each process's sentinel, a descriptor that becomes readable when the process ends. If several processes
end in one turn of its event loop, Celery replaces the first before it looks at the others, and the new process's
sentinel may get the number of an old one. Celery then treats a living process as dead and drops its sentinel. It still
notices that process's end within 5 s. But when it next connects to the broker, it ends with an error about the missing
sentinel: ``file descriptor is None``
(``test_a_worker_that_lost_all_pool_processes_at_once_survives_a_broker_outage``).

Private attributes of Celery in use: ``AsynPool._track_child_process`` and a process's ``_sentinel_poll``, checked with
Celery 5.7.0. ``test_celerys_pool_keeps_a_processs_sentinel_in_its_attribute`` fails if they change.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery.concurrency import asynpool, prefork
from celery.worker import state

log = structlog.get_logger()

#: Seconds between two looks for tasks that wait for a process.
_LOOK_SECONDS = 1.0


class Processes(asynpool.AsynPool):  # type: ignore[misc]  # Celery ships no types
    """The processes of the pool, watched by Celery's event loop.

    If a task waits for a process from one look to the next, the pool gets one more process, once and for good. So the
    memory of that process is only taken where a long task may hold the last free one: a suspect, a full inbox, or a
    callback while the bucket does not answer (``test_a_worker_adds_a_process_when_a_task_waits_for_one``).
    """

    _waiting: frozenset[str] = frozenset()
    _has_spare = False

    @property
    def timers(self) -> dict[Callable[[], None], float]:
        """Give the calls that the event loop repeats, with their intervals in seconds."""
        return {**super().timers, self.add_spare_if_tasks_wait: _LOOK_SECONDS}

    def add_spare_if_tasks_wait(self) -> None:
        """Add a process if a task waits now that waited at the last look already."""
        running = {request.id for request in state.active_requests}
        waiting = frozenset(request.id for request in state.reserved_requests) - running
        if waiting & self._waiting and not self._has_spare:
            self._has_spare = True
            self.grow(1)
            self.maintain_pool()
            log.info("worker_process_added", processes=self._processes)
        self._waiting = waiting

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 - Celery's
        """Watch a process. If its sentinel was dropped, delete the attribute: Celery then makes another sentinel."""
        if getattr(proc, "_sentinel_poll", self) is None:
            del proc._sentinel_poll  # noqa: SLF001 - an attribute of Celery's
        super()._track_child_process(proc, hub)


class TaskPool(prefork.TaskPool):  # type: ignore[misc]  # Celery ships no types
    """The pool that Celery's setting ``worker_pool`` names."""

    Pool = Processes
