"""Where an acknowledged callback is safe, and how long its sender waits while something is down."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.publish import CallbackQueue, PublishError, Safekeeping
from tests.conftest import eventually
from tests.unit.conftest import Clock


@dataclass
class Place:
    """Takes callbacks, or does not; remembers being asked."""

    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, body: str, _received_at: float) -> None:
        self.asked.append(body)
        if self.down:
            raise PublishError("down")


def test_a_callback_goes_to_the_broker_and_nowhere_else(clock: Clock) -> None:
    broker, bucket = Place(), Place()
    Safekeeping(broker, bucket, clock).publish("a", 1.0)
    assert (broker.asked, bucket.asked) == (["a"], [])


def test_while_the_broker_is_down_callbacks_go_to_the_bucket_without_waiting_for_it_each_time(clock: Clock) -> None:
    broker, bucket = Place(down=True), Place()
    keeping = Safekeeping(broker, bucket, clock)
    for body in "abc":
        keeping.publish(body, 1.0)
    assert (broker.asked, bucket.asked) == (["a"], ["a", "b", "c"])
    broker.down = False
    clock.advance(3.0)
    keeping.publish("d", 1.0)
    assert (broker.asked, bucket.asked) == (["a", "d"], ["a", "b", "c"])


def test_a_broker_that_failed_a_moment_ago_is_asked_all_the_same_when_the_bucket_fails(clock: Clock) -> None:
    broker, bucket = Place(down=True), Place()
    keeping = Safekeeping(broker, bucket, clock)
    keeping.publish("a", 1.0)
    broker.down, bucket.down = False, True
    keeping.publish("b", 1.0)
    assert broker.asked == ["a", "b"]


def test_with_both_down_nothing_is_acknowledged(clock: Clock) -> None:
    broker, bucket = Place(down=True), Place(down=True)
    keeping = Safekeeping(broker, bucket, clock)
    for _ in range(2):
        with pytest.raises(PublishError):
            keeping.publish("a", 1.0)


@dataclass
class Broker:
    """Keeps batches; each waits until it may go on."""

    raises: BaseException | None = None
    """What comes of a batch."""
    at: int = 1
    """Of which."""
    batches: list[list[str]] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def put_all(self, callbacks: list[tuple[str, float]]) -> None:
        self.batches.append([body for body, _ in callbacks])
        assert self.may_answer.wait(10)
        if self.raises and len(self.batches) == self.at:
            raise self.raises


def _publish_behind_one_on_its_way(broker: Broker, bodies: list[str]) -> list[BaseException | None]:
    """Publish one callback, then the others while Redis has not answered to the first; give how each fared."""
    queue = CallbackQueue(broker.put_all)
    with ThreadPoolExecutor(len(bodies) + 1) as threads:
        first = threads.submit(queue.publish, "first", 1.0)
        eventually(lambda: broker.batches)
        others = [threads.submit(queue.publish, body, 1.0) for body in bodies]
        eventually(lambda: len(queue._waiting) == len(bodies))  # noqa: SLF001 - nothing else shows who waits
        broker.may_answer.set()
        return [each.exception() for each in (first, *others)]


def test_callbacks_that_come_while_one_is_on_its_way_travel_together_and_each_is_kept_once() -> None:
    broker = Broker()
    bodies = [str(number) for number in range(50)]
    assert _publish_behind_one_on_its_way(broker, bodies) == [None] * 51
    assert [sorted(batch) for batch in broker.batches] == [["first"], sorted(bodies)]


def test_no_one_who_waited_behind_a_broker_that_failed_waits_for_it_again_or_is_told_it_was_kept() -> None:
    broker = Broker(raises=RedisTimeoutError())
    fates = _publish_behind_one_on_its_way(broker, ["a", "b"])
    assert [type(fate) for fate in fates] == [PublishError] * 3
    assert broker.batches == [["first"]]


def test_a_batch_is_bounded_and_what_is_left_goes_with_the_next() -> None:
    broker = Broker()
    large = "x" * (CallbackQueue.MOST_CHARACTERS // 2)
    assert _publish_behind_one_on_its_way(broker, [large] * 5) == [None] * 6
    assert [len(batch) for batch in broker.batches] == [1, 2, 2, 1]


def test_many_threads_at_once_lose_nothing() -> None:
    kept: list[str] = []
    queue = CallbackQueue(lambda callbacks: kept.extend(body for body, _ in callbacks))
    bodies = [str(number) for number in range(2000)]
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda body: queue.publish(body, 1.0), bodies))
    assert sorted(kept) == sorted(bodies)


class _TimeIsOverError(BaseException):
    """What gevent raises in a request whose time is over, wherever it is."""


def test_a_batch_that_is_interrupted_is_acknowledged_to_nobody_and_the_next_one_is_kept() -> None:
    broker = Broker(raises=_TimeIsOverError())
    fates = _publish_behind_one_on_its_way(broker, ["a", "b"])
    assert [type(fate) for fate in fates] == [_TimeIsOverError, type(None), type(None)]
    assert [sorted(batch) for batch in broker.batches] == [["first"], ["a", "b"]]


def test_whose_batch_was_interrupted_under_another_is_not_told_it_was_kept() -> None:
    broker = Broker(raises=_TimeIsOverError(), at=2)
    fates = _publish_behind_one_on_its_way(broker, ["a", "b", "c"])
    assert sorted(type(fate).__name__ for fate in fates) == [
        "NoneType",
        "PublishError",
        "PublishError",
        "_TimeIsOverError",
    ]
