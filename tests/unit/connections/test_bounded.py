"""Calls end within their limit, whatever the other side does."""

import threading
import time
from contextlib import suppress

import pytest

from tests.conftest import eventually
from workers.connections.bounded import Bounded


def test_a_bounded_call_returns_the_result_or_raises_the_error_of_the_call() -> None:
    bounded = Bounded(5, at_once=1)
    assert bounded.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        bounded.call(lambda: 1 / 0)


@pytest.mark.slow
def test_calls_that_never_end_time_out_and_use_at_most_the_allowed_threads() -> None:
    bounded, over, begun = Bounded(0.2, at_once=2), threading.Event(), []

    def stuck() -> None:
        begun.append(1)
        over.wait(30)

    try:
        for _ in range(4):
            started = time.monotonic()
            with pytest.raises(TimeoutError):
                bounded.call(stuck)
            assert 0.15 < time.monotonic() - started < 2
        assert len(begun) == 2
    finally:
        over.set()


@pytest.mark.slow
def test_when_a_stuck_call_ends_the_next_one_is_made() -> None:
    bounded, over = Bounded(0.1, at_once=1), threading.Event()
    with pytest.raises(TimeoutError):
        bounded.call(lambda: over.wait(30))
    over.set()

    def made() -> str:
        with suppress(TimeoutError):
            return bounded.call(lambda: "made")
        return ""

    assert eventually(made, patience=10) == "made"


def test_a_thread_that_cannot_start_raises_os_error_and_blocks_no_later_call(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = Bounded(1, at_once=1)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(3):
            with pytest.raises(OSError, match="new thread"):
                bounded.call(lambda: 1)
    assert bounded.call(lambda: 1) == 1
