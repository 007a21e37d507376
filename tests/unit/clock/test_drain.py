"""The inbox is drained: callbacks that came while Redis was away are moved to Redis once it is back."""

import itertools

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.unit.conftest import START, Clock, Sent
from workers.clock import drain as draining
from workers.context import WorkerContext
from workers.intake import inbox
from workers.intake.received import Received, ReceivedCallbacks


def fill(context: WorkerContext, count: int) -> list[tuple[str, float]]:
    kept = [(f'{{"n": {number}}}', START - 100 + 0.125 + number) for number in range(count)]
    for body, received_at in kept:
        inbox.keep(context.store, context.settings.layout, body.encode(), received_at)
    return kept


def received(context: WorkerContext, clock: Clock) -> list[Received]:
    clock.advance(1000)
    return list(iter(context.received.take, None))


@pytest.mark.slow
def test_callbacks_from_the_inbox_keep_their_arrival_time_and_wake_workers(
    context: WorkerContext, clock: Clock, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "MAX_CALLBACKS", 20)
    kept = fill(context, draining.MAX_CALLBACKS + 3)
    clock.advance(1000)
    assert draining.drain(context) == len(kept)
    assert sent.take()[:1] == ["callbacks"]
    assert [(each.body, each.received_at) for each in received(context, clock)] == kept
    assert draining.drain(context) == 0


@pytest.mark.slow
def test_a_drain_that_breaks_off_loses_nothing(
    context: WorkerContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fill(context, 20)
    puts, put = itertools.count(), ReceivedCallbacks.put

    def put_five(self: ReceivedCallbacks, body: str, received_at: float) -> None:
        if next(puts) >= 5:
            raise RedisConnectionError
        put(self, body, received_at)

    with monkeypatch.context() as patch:
        patch.setattr(ReceivedCallbacks, "put", put_five)
        with pytest.raises(RedisConnectionError):
            draining.drain(context)
    draining.drain(context)
    assert [(each.body, each.received_at) for each in received(context, clock)] == kept


def test_one_worker_drains_the_inbox_at_a_time_and_its_lock_expires(context: WorkerContext) -> None:
    fill(context, 2)
    other = context.ledger.redis.lock("stemvault:inbox:drainer", timeout=0.2)
    assert other.acquire()
    assert draining.drain(context) == 0
    assert context.ledger.redis.pttl("stemvault:inbox:drainer") > 0
    context.ledger.redis.delete("stemvault:inbox:drainer")
    assert draining.drain(context) == 2


def test_a_foreign_object_in_the_inbox_does_not_block_the_callbacks(context: WorkerContext, clock: Clock) -> None:
    key = context.settings.layout.inbox_key("000-by-hand.txt")
    context.store.write_text(key, b"\xff\xfe", "text/plain")
    fill(context, 1)
    assert draining.drain(context) == 2
    assert sorted(each.body for each in received(context, clock)) == ['{"n": 0}', "\ufffd\ufffd"]
