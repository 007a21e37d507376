"""The story of a callback: it is taken by one worker at a time, and retried until it is recorded or kept for people."""

import hashlib
from typing import Any, NoReturn

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.conftest import eventually
from tests.unit.conftest import START, Clock, Sent
from tests.unit.story import VIDEO, stored
from workers.callbacks import Callback, parse_callback
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import MAX_TRIES, MAX_WAIT, ingest_next
from workers.intake.received import LEASE as INGEST_LEASE
from workers.intake.received import ReceivedCallbacks


def test_a_callback_that_keeps_crashing_its_worker_is_kept_for_people_with_the_reason(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock())
    for _ in range(MAX_TRIES):
        assert context.received.take()  # and the process dies
        clock.advance(INGEST_LEASE + 1)
    ingest_next(context)
    assert context.ledger.snapshot(VIDEO.task_id) is None
    key = f"_unrecognized/{hashlib.sha256(body.encode()).hexdigest()}.json"
    assert stored(context, key) == body.encode()
    assert "crashing" in context.store.client.head_object(Bucket="vault", Key=key)["Metadata"]["why"]
    assert context.received.waiting() == 0


@pytest.mark.parametrize("outage", [TransientError("store_unavailable"), RedisConnectionError(), RuntimeError()])
def test_a_callback_that_cannot_be_recorded_in_an_outage_is_recorded_later_however_long_that_takes(
    context: WorkerContext, clock: Clock, sent: Sent, body: str, monkeypatch: pytest.MonkeyPatch, outage: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise outage

    context.received.put(body, clock())
    with monkeypatch.context() as patch:
        patch.setattr("workers.ingest.recall", fail)
        for _ in range(2 * MAX_TRIES):
            ingest_next(context)
            assert context.received.due() == 0
            clock.advance(MAX_WAIT)
    sweep(context)
    assert sent.take() == ["callbacks"]
    ingest_next(context)
    assert context.ledger.snapshot(VIDEO.task_id)
    assert context.received.waiting() == 0


def test_a_callback_that_always_fails_ends_in_unrecognized_and_does_not_delay_others(
    context: WorkerContext, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = parse_callback

    def fail_for_one(payload: dict[str, Any], **options: Any) -> Callback:
        if payload.get("bad"):
            raise OverflowError
        return parse(payload, **options)

    monkeypatch.setattr("workers.recording.record.parse_callback", fail_for_one)
    bad = '{"bad": 1, "taskId": "t"}'
    context.received.put(bad, clock())
    context.received.put(body, clock())
    for _ in range(MAX_TRIES + 1):
        while ingest_next(context):
            pass
        clock.advance(MAX_WAIT)
    assert context.ledger.snapshot(VIDEO.task_id)
    assert context.received.waiting() == 0
    assert stored(context, f"_unrecognized/{hashlib.sha256(bad.encode()).hexdigest()}.json") == bad.encode()


def test_a_callback_that_one_worker_holds_is_not_taken_by_another_until_its_time_is_over(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock())
    assert context.received.take()
    clock.advance(INGEST_LEASE - 1)
    assert context.received.take() is None
    clock.advance(2)
    again = context.received.take()
    assert again
    assert (again.body, again.received_at, again.tries) == (body, START, 2)


def test_an_ingress_whose_clock_is_ahead_delays_nothing_and_gives_no_asset_more_time(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock() + 90)
    taken = context.received.take()
    assert taken
    assert taken.received_at == clock()


def test_a_callback_from_an_ingress_gets_the_time_of_redis(context: WorkerContext, clock: Clock) -> None:
    context.received.put_all([("first", None)])
    clock.advance(60)
    context.received.put_all([("second", None)])
    taken = [context.received.take(), context.received.take()]
    assert [(each.body, each.received_at) for each in taken if each] == [("first", START), ("second", START + 60)]


def test_callbacks_that_come_together_keep_their_order(context: WorkerContext) -> None:
    context.received.put_all([(f"{number}", None) for number in range(50)])
    taken = [context.received.take() for _ in range(50)]
    assert [each.body for each in taken if each] == [f"{number}" for number in range(50)]


def test_a_callback_stays_with_the_worker_that_waits_for_the_bucket(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    received = ReceivedCallbacks(context.ledger.redis, lease=0.1)
    received.put(body, clock())
    taken = received.take()
    assert taken
    with received.held(taken):
        clock.advance(60)
        eventually(lambda: received.due() == 0)
        assert received.take() is None
