"""Celery's prefork pool, which also lasts when several of its processes die at once.

Celery waits for each process's sentinel, a descriptor that can be read once the process has ended. When several end
in one turn of its event loop, the first is replaced before the others are looked at, and a new process's sentinel may
get the number of an old one. Celery then takes a living process for ended and forgets its sentinel. It still notices
the process's end within 5 s, but when it next connects to the broker, it ends over the sentinel that it lacks:
``file descriptor is None``. Checked with Celery 5.7.0.
``test_a_worker_that_lost_all_its_processes_at_once_outlives_the_broker_too``
"""

from typing import Any

from celery.concurrency import asynpool, prefork


class Processes(asynpool.AsynPool):  # type: ignore[misc]  # Celery ships no types
    """The processes, and Celery's event loop that watches them."""

    def _track_child_process(self, proc: Any, hub: Any) -> None:  # noqa: ANN401 - Celery's
        """Watch a process, also one whose sentinel was forgotten; Celery makes another where it finds no attribute."""
        if getattr(proc, "_sentinel_poll", self) is None:
            del proc._sentinel_poll  # noqa: SLF001 - Celery keeps it there
        super()._track_child_process(proc, hub)


class TaskPool(prefork.TaskPool):  # type: ignore[misc]  # Celery ships no types
    """What ``worker_pool`` names."""

    Pool = Processes
