"""The pool adds one process, when a task waits for one."""

from unittest.mock import Mock

import pytest
from celery.worker import state

from workers.dispatch.processes.pool import Processes


def test_a_pool_adds_one_process_when_a_task_waits_from_one_look_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved: set[Mock] = set()
    active: set[Mock] = set()
    monkeypatch.setattr(state, "reserved_requests", reserved)
    monkeypatch.setattr(state, "active_requests", active)
    pool = Processes.__new__(Processes)
    pool._processes, pool._putlock = 3, None  # noqa: SLF001 - billiard's
    pool.on_grow, pool.maintain_pool = Mock(), Mock()

    def looks(number: int = 1) -> int:
        for _ in range(number):
            pool.add_spare_if_tasks_wait()
        return int(pool._processes)  # noqa: SLF001 - billiard's

    running, *others = (Mock(id=str(number)) for number in range(4))
    reserved.add(running)
    active.add(running)
    assert looks(3) == 3
    for other in others:  # each waits for less than a second
        reserved.add(other)
        assert looks() == 3
        reserved.remove(other)
    assert pool.maintain_pool.call_count == 0
    reserved.add(others[0])
    assert looks(2) == 4
    assert looks(3) == 4
    assert pool.maintain_pool.call_count == 1
