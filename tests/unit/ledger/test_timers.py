"""Each asset has one next step, and it is due in time."""

import fakeredis

from tests.conftest import Payload
from tests.unit.conftest import LEASE, START, URGENT, at
from tests.unit.ledger.steps import DEADLINE, HOST, VIDEO, record, song_at, take
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import READY, TIMERS
from workers.ledger.timers import GRACE


def test_each_asset_has_exactly_one_next_step_until_it_is_settled(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    def steps() -> list[tuple[str, float]]:
        sets = {TIMERS: TIMERS} | {key: f"{key}:{HOST}" for key in READY.values()}
        found = {name: redis.zscore(key, str(VIDEO)) for name, key in sets.items()}
        assert all((name in found and found[name]) == redis.zscore(name, HOST) for name in READY.values())
        return [(name, at) for name, at in found.items() if at is not None]

    record(ledger, payload("video"))
    assert ledger.asset(VIDEO).attempts == 0
    assert steps() == [(READY["assets"], DEADLINE)]
    lease = take(ledger, "one")
    assert steps() == [(TIMERS, START + LEASE)]
    ledger.postpone(lease, "stalled", streak=1, until=START + 500)
    assert steps() == [(TIMERS, START + 500)]
    assert at(ledger, START + 500).make_ready(VIDEO) == "assets"
    assert steps() == [(READY["assets"], DEADLINE)]
    lease = take(ledger, "two", now=START + 500)
    at(ledger, START + 501).settle(VIDEO, lease.owner, "archived")
    assert steps() == []
    assert redis.zrange(TIMERS, 0, -1) == [VIDEO.task_id]  # the timer of the manifest


def test_waiting_work_is_not_made_ready_twice_however_long_it_waits(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    for days in range(1, 11):
        assert at(ledger, START + days * 3600).make_ready(VIDEO) == ""
    assert ledger.ready() == {"urgent": 0, "assets": 1, "suspects": 0}


def test_waiting_work_becomes_urgent_as_its_deadline_draws_near_and_expires_at_it(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    assert at(ledger, DEADLINE - URGENT).make_ready(VIDEO) == "urgent"
    assert ledger.ready() == {"urgent": 1, "assets": 0, "suspects": 0}
    assert redis.zscore(f"{READY['urgent']}:{HOST}", str(VIDEO)) == DEADLINE
    assert at(ledger, DEADLINE - 1).due(limit=10) == []
    assert at(ledger, DEADLINE).due(limit=10) == [str(VIDEO)]
    assert at(ledger, DEADLINE).make_ready(VIDEO) == "expired"
    assert at(ledger, DEADLINE).settle(VIDEO, "", "expired") == 0
    assert ledger.ready() == {"urgent": 0, "assets": 0, "suspects": 0}


def test_a_due_timer_is_taken_by_one_of_two_clocks(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    due = DEADLINE - URGENT
    assert at(ledger, due - 1).due(limit=10) == []
    assert at(ledger, due).due(limit=10) == [str(VIDEO)]
    assert at(ledger, due).due(limit=10) == []
    assert at(ledger, due + GRACE).due(limit=10) == [str(VIDEO)]  # the process that took the step died


def test_an_expired_asset_waits_only_for_the_sweep(ledger: Ledger) -> None:
    record(ledger, song_at("h.test", "t"))
    assert ledger.ready(unexpired=True)["assets"] == 1
    later = at(ledger, DEADLINE + 1)
    assert (later.ready()["assets"], later.ready(unexpired=True)["assets"], later.in_flight()) == (1, 0, 1)
