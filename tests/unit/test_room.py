"""When Redis is nearly full: new callbacks wait in the inbox, and settled tasks make room."""

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
from workers import inbox, room
from workers.ingest import ingest
from workers.ledger_keys import task_key
from workers.room import Room
from workers.sweep import sweep
from workers.vault import Vault


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
def test_the_lesser_limit_counts_and_none_is_room_without_end(
    maxmemory: int, limit: int | None, share: float, left: float
) -> None:
    found = Room(redis_with(used_memory=600, maxmemory=maxmemory), limit)
    assert found.fullness() == share
    assert found.for_callbacks() == left


@pytest.mark.parametrize(("fullness", "forgotten"), [(room.SWEEP_FORGETS - 0.01, False), (room.SWEEP_FORGETS, True)])
def test_settled_tasks_make_room_and_are_known_again_from_their_manifests(
    vault: Vault, sent: Sent, origin: Origin, clock: Clock, body: str, fullness: float, forgotten: bool
) -> None:
    origin.serve(PATH, GOOD)
    ingest(vault, body, clock())
    full = replace(vault, fullness=lambda: fullness)
    sweep(full)
    assert state(vault) == ("pending", None), "what is in flight must never be forgotten"
    run(vault, sent)
    sweep(full)
    assert vault.ledger.knows(VIDEO.task_id) is not forgotten
    assert bool(vault.ledger.asset(VIDEO)) is not forgotten
    ingest(vault, body, clock())
    assert state(vault) == ("archived", None)
    assert origin.count(PATH) == 1


def test_forgetting_goes_on_where_the_last_sweep_ended(vault: Vault, clock: Clock) -> None:
    for number in range(60):
        record = {"open": "0", "version": "1"} if number % 2 else {"open": "1", "version": "1"}
        vault.ledger.redis.hset(task_key(f"t{number:02}"), mapping=dict(record.items()))
        if number % 2:
            vault.ledger.redis.expire(task_key(f"t{number:02}"), 1000)
    for _ in range(100):
        vault.ledger.forget_settled(count=5)
    left = sorted(str(key) for key in vault.ledger.redis.scan_iter(task_key("*")))
    assert left == [task_key(f"t{number:02}") for number in range(0, 60, 2)]
    assert clock()


def test_a_redis_that_takes_nothing_any_more_is_made_room_in_all_the_same(
    vault: Vault, sent: Sent, origin: Origin, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(vault, body, clock())
    run(vault, sent)
    full = OutOfMemoryError("OOM command not allowed")
    monkeypatch.setattr(vault.ledger.redis, "set", Mock(side_effect=full))
    monkeypatch.setattr(vault.ledger, "due", Mock(side_effect=full))
    with pytest.raises(OutOfMemoryError):
        sweep(replace(vault, fullness=lambda: 1.01))
    assert not vault.ledger.knows(VIDEO.task_id)


def test_a_task_whose_manifest_is_not_written_is_not_forgotten(vault: Vault, clock: Clock, body: str) -> None:
    ingest(vault, body, clock())
    lease = vault.ledger.take(("assets",), "one")
    assert lease
    vault.ledger.settle(lease.id, "one", "archived")
    vault.ledger.forget_settled(count=1000)
    assert vault.ledger.knows(VIDEO.task_id)


def test_the_inbox_is_drained_when_there_is_room(vault: Vault, clock: Clock) -> None:
    inbox.keep(vault.store, vault.settings.layout, b"{}", clock())
    assert inbox.drain(replace(vault, fullness=lambda: room.INGRESS_STOPS)) == 0
    assert vault.received.waiting() == 0
    assert inbox.drain(replace(vault, fullness=lambda: room.INGRESS_STOPS - 0.01)) == 1
    assert vault.received.waiting() == 1
