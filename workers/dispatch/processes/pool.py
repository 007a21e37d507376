"""Celery's prefork pool, with one process more when it is needed, and a fix for several processes that die at once.

Celery waits for each process's sentinel, a descriptor that becomes readable when the process ends. If several processes
end in one turn of its event loop, Celery replaces the first before it looks at the others, and the new process's
sentinel may get the number of an old one. Celery then treats a living process as dead and drops its sentinel. It still
notices that process's end within 5 s. But when it next connects to the broker, it ends with an error about the missing
sentinel: ``file descriptor is None``
(``test_a_worker_that_lost_all_pool_processes_at_once_survives_a_broker_outage``).

Private attributes of Celery in use: ``AsynPool._track_child_process`` and a process's ``_sentinel_poll``, checked with
Celery 5.7.0. ``test_celerys_pool_keeps_a_processs_sentinel_in_its_attribute`` fails if they change.
"""

from typing import Any

from celery.concurrency import asynpool, prefork


class Processes(asynpool.AsynPool):  # type: ignore[misc]  # Celery ships no types
    """The processes of the pool, watched by Celery's event loop."""

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 - Celery's
        """Watch a process. If its sentinel was dropped, delete the attribute: Celery then makes another sentinel."""
        if getattr(proc, "_sentinel_poll", self) is None:
            del proc._sentinel_poll  # noqa: SLF001 - an attribute of Celery's
        super()._track_child_process(proc, hub)


class TaskPool(prefork.TaskPool):  # type: ignore[misc]  # Celery ships no types
    """The pool that Celery's setting ``worker_pool`` names."""

    Pool = Processes

    def add_spare_process(self) -> None:
        """Have one process more than at the start, from now on."""
        if self.num_processes == self.limit:
            self.grow(1)
            # Celery would start it within five seconds; until then, the task at hand may hold the last free process.
            self.maintain_pool()
