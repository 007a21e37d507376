from dataclasses import dataclass

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.unit.conftest import Clock
from workers.watchdog import PATIENCE, Watchdog


@dataclass
class Worker:
    """What the watchdog sees of a worker."""

    waiting: int = 0
    busy: int = 0
    redis_down: bool = False
    ended: int = 0

    def count(self) -> int:
        if self.redis_down:
            raise RedisConnectionError
        return self.waiting

    def end(self) -> None:
        self.ended += 1


def watchdog(worker: Worker, clock: Clock) -> Watchdog:
    return Watchdog(worker.count, lambda: worker.busy, worker.end, clock)


def test_an_idle_worker_that_takes_nothing_though_something_waits_is_ended(clock: Clock) -> None:
    worker = Worker(waiting=1)
    dog = watchdog(worker, clock)
    clock.advance(PATIENCE)
    dog.look()
    assert worker.ended == 0
    clock.advance(1)
    dog.look()
    assert worker.ended == 1


def test_a_worker_that_is_busy_or_hears_or_has_nothing_to_hear_is_left_alone(clock: Clock) -> None:
    for worker in (Worker(), Worker(waiting=5, busy=1), Worker(waiting=5, redis_down=True)):
        dog = watchdog(worker, clock)
        for _ in range(10):
            clock.advance(PATIENCE + 1)
            dog.look()
        assert worker.ended == 0
    worker = Worker(waiting=5)
    dog = watchdog(worker, clock)
    for _ in range(10):
        clock.advance(PATIENCE - 1)
        dog.heard()
        dog.look()
    assert worker.ended == 0
