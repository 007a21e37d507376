"""A Redis that is nearly full: new callbacks wait in the inbox, and settled tasks are forgotten to make room."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from redis.exceptions import OutOfMemoryError

from tests.origin import Origin
from tests.unit.conftest import Clock, Sent
from tests.unit.story import GOOD, PATH, VIDEO, run, state
from workers.clock import drain as draining
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.intake import fullness as shares
from workers.intake import inbox
from workers.intake.fullness import RedisMemory
from workers.ledger.storage.keys import task_key


def redis_with(**memory: int) -> Any:
    return SimpleNamespace(info=lambda _: memory)


@pytest.mark.parametrize(
    ("maxmemory", "limit", "share", "left"),
    [
        (0, None, 0.0, math.inf),
        (1000, None, 0.6, 200),
        (0, 800, 0.75, 40),
        (1000, 800, 0.75, 40),
        (1000, 4000, 0.6, 200),
    ],
)
def test_fullness_follows_the_lower_memory_limit_and_is_zero_without_a_limit(
    maxmemory: int, limit: int | None, share: float, left: float
) -> None:
    found = RedisMemory(redis_with(used_memory=600, maxmemory=maxmemory), limit)
    assert found.fullness() == share
    assert found.for_callbacks() == left


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fullness", "forgotten"), [(shares.SWEEP_FORGETS - 0.01, False), (shares.SWEEP_FORGETS, True)]
)
def test_settled_tasks_make_room_and_are_known_again_from_their_manifests(
    context: WorkerContext, sent: Sent, origin: Origin, clock: Clock, body: str, fullness: float, forgotten: bool
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    full = replace(context, fullness=lambda: fullness)
    sweep(full)
    assert state(context) == ("pending", None), "what is in flight must never be forgotten"
    run(context, sent)
    sweep(full)
    assert context.ledger.knows(VIDEO.task_id) is not forgotten
    assert (context.ledger.asset(VIDEO).state is None) is forgotten
    ingest(context, body, clock())
    assert state(context) == ("archived", None)
    assert origin.count(PATH) == 1


@pytest.mark.slow
def test_forgetting_goes_on_where_the_last_sweep_ended(context: WorkerContext, clock: Clock) -> None:
    for number in range(60):
        record = {"open": "0", "version": "1"} if number % 2 else {"open": "1", "version": "1"}
        context.ledger.redis.hset(task_key(f"t{number:02}"), mapping=dict(record.items()))
        if number % 2:
            context.ledger.redis.expire(task_key(f"t{number:02}"), 1000)
    for _ in range(100):
        context.ledger.forget_settled(count=5)
    left = sorted(str(key) for key in context.ledger.redis.scan_iter(task_key("*")))
    assert left == [task_key(f"t{number:02}") for number in range(0, 60, 2)]
    assert clock()


@pytest.mark.slow
def test_a_redis_that_takes_nothing_any_more_is_made_room_in_all_the_same(
    context: WorkerContext, sent: Sent, origin: Origin, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    full = OutOfMemoryError("OOM command not allowed")
    monkeypatch.setattr(context.ledger.redis, "set", Mock(side_effect=full))
    monkeypatch.setattr(context.ledger, "due", Mock(side_effect=full))
    with pytest.raises(OutOfMemoryError):
        sweep(replace(context, fullness=lambda: 1.01))
    assert not context.ledger.knows(VIDEO.task_id)


def test_a_task_whose_manifest_is_not_written_is_not_forgotten(context: WorkerContext, clock: Clock, body: str) -> None:
    ingest(context, body, clock())
    lease = context.ledger.take(("assets",), "one")
    assert lease
    context.ledger.settle(lease.id, "one", "archived")
    context.ledger.forget_settled(count=1000)
    assert context.ledger.knows(VIDEO.task_id)


def test_the_inbox_is_drained_when_there_is_room(context: WorkerContext, clock: Clock) -> None:
    inbox.keep(context.store, context.settings.layout, b"{}", clock())
    assert draining.drain(replace(context, fullness=lambda: shares.INGRESS_STOPS)) == 0
    assert context.received.waiting() == 0
    assert draining.drain(replace(context, fullness=lambda: shares.INGRESS_STOPS - 0.01)) == 1
    assert context.received.waiting() == 1
