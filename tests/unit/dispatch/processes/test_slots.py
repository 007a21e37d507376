"""Slots among real processes: a process is never excluded by its own lock."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context

import pytest

from workers.dispatch.processes.slots import Slots

_FORK = get_context("fork")


def in_another_process(work: Callable[[], bool]) -> bool:
    """Run ``work`` in a newly forked process and give its result."""
    results = _FORK.SimpleQueue()
    process = _FORK.Process(target=lambda: results.put(work()))
    process.start()
    process.join(10)
    return bool(results.get())


def is_free(slots: Slots) -> bool:
    """Tell whether another process gets a slot."""

    def ask() -> bool:
        with slots.held() as has_slot:
            return has_slot

    return in_another_process(ask)


@pytest.mark.slow
def test_as_many_processes_have_a_slot_as_there_are_slots() -> None:
    with closing(Slots(2)) as slots, slots.held() as first:
        assert first
        assert in_another_process(lambda: held_while(slots, lambda: not is_free(slots)))
        assert is_free(slots)


def held_while(slots: Slots, work: Callable[[], bool]) -> bool:
    with slots.held() as has_slot:
        return has_slot and work()


@pytest.fixture
def slots() -> Iterator[Slots]:
    with closing(Slots(1)) as slots:
        yield slots


@pytest.mark.slow
def test_a_slot_is_free_again_when_its_process_was_killed(slots: Slots) -> None:
    reading, writing = os.pipe()

    def hold_and_wait() -> None:
        with slots.held():
            os.write(writing, b"!")
            signal.pause()

    process = _FORK.Process(target=hold_and_wait)
    process.start()
    os.read(reading, 1)
    assert not is_free(slots)
    process.kill()
    process.join(10)
    assert is_free(slots)
    os.close(reading)
    os.close(writing)
