"""Batches of callbacks on their way to Redis, and the result that each caller gets."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.ingress.keeping.batching import CallbackQueue, PublishError
from tests.conftest import eventually


@dataclass
class Broker:
    """Records batches. Each waits for ``may_answer``."""

    raises: BaseException | None = None
    at: int = 1
    """The number of the batch that raises it."""
    batches: list[list[str]] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def put_all(self, callbacks: list[tuple[str, float]]) -> None:
        self.batches.append([body for body, _ in callbacks])
        assert self.may_answer.wait(10)
        if self.raises and len(self.batches) == self.at:
            raise self.raises


def _publish_behind_one_on_its_way(broker: Broker, bodies: list[str]) -> list[BaseException | None]:
    """Publish one callback, then the others before Redis answers to the first. Returns the error of each, or None."""
    queue = CallbackQueue(broker.put_all)
    with ThreadPoolExecutor(len(bodies) + 1) as threads:
        first = threads.submit(queue.publish, "first", 1.0)
        eventually(lambda: broker.batches)
        others = [threads.submit(queue.publish, body, 1.0) for body in bodies]
        eventually(lambda: queue.waiting() == len(bodies))
        broker.may_answer.set()
        return [each.exception() for each in (first, *others)]


def test_callbacks_that_come_while_one_is_on_its_way_travel_together_and_each_is_kept_once() -> None:
    broker = Broker()
    bodies = [str(number) for number in range(50)]
    assert _publish_behind_one_on_its_way(broker, bodies) == [None] * 51
    assert [sorted(batch) for batch in broker.batches] == [["first"], sorted(bodies)]


def test_callbacks_queued_behind_a_failed_batch_fail_without_another_broker_request() -> None:
    broker = Broker(raises=RedisTimeoutError())
    fates = _publish_behind_one_on_its_way(broker, ["a", "b"])
    assert [type(fate) for fate in fates] == [PublishError] * 3
    assert broker.batches == [["first"]]


def test_a_batch_is_bounded_and_what_is_left_goes_with_the_next() -> None:
    broker = Broker()
    large = "x" * (CallbackQueue.MAX_CHARACTERS // 2)
    assert _publish_behind_one_on_its_way(broker, [large] * 5) == [None] * 6
    # A lock has no queue, so the three batches go in any order.
    assert sorted(len(batch) for batch in broker.batches[1:]) == [1, 2, 2]


@pytest.mark.slow
def test_many_threads_at_once_lose_nothing() -> None:
    kept: list[str] = []
    queue = CallbackQueue(lambda callbacks: kept.extend(body for body, _ in callbacks))
    bodies = [str(number) for number in range(2000)]
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda body: queue.publish(body, 1.0), bodies))
    assert sorted(kept) == sorted(bodies)


class _TimeIsOverError(BaseException):
    """Stands for gevent's timeout, which is raised anywhere in a request."""


def test_an_interrupted_batch_is_not_acknowledged_and_the_next_batch_is_kept() -> None:
    broker = Broker(raises=_TimeIsOverError())
    fates = _publish_behind_one_on_its_way(broker, ["a", "b"])
    assert [type(fate) for fate in fates] == [_TimeIsOverError, type(None), type(None)]
    assert [sorted(batch) for batch in broker.batches] == [["first"], ["a", "b"]]


def test_no_callback_of_a_batch_that_another_request_sent_and_lost_is_acknowledged() -> None:
    broker = Broker(raises=_TimeIsOverError(), at=2)
    fates = _publish_behind_one_on_its_way(broker, ["a", "b", "c"])
    assert sorted(type(fate).__name__ for fate in fates) == [
        "NoneType",
        "PublishError",
        "PublishError",
        "_TimeIsOverError",
    ]
