"""Where a callback is stored, and which place is tried first while one is down."""

from dataclasses import dataclass, field

import pytest

from app.ingress.keeping.batching import PublishError
from app.ingress.keeping.safekeeping import Safekeeping
from tests.unit.conftest import Clock


@dataclass
class Place:
    """Accepts callbacks, or fails if ``down``. Records each try."""

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
