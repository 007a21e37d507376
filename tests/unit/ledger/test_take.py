"""Leases: one owner at a time, in the order of deadlines."""

import fakeredis
import pytest

from tests.conftest import Payload
from tests.unit.conftest import LEASE, START, at
from tests.unit.ledger.steps import VIDEO, record, take
from workers.callbacks import parse_callback
from workers.errors import LeaseLostError
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import TIMERS


def test_an_asset_is_taken_by_one_owner_at_a_time(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    take(ledger, "one")
    assert at(ledger, START).take(("urgent", "assets"), "two") is None
    assert at(ledger, START + LEASE - 1).make_ready(VIDEO) == ""
    assert at(ledger, START + LEASE - 1).take(("urgent", "assets"), "two") is None
    assert at(ledger, START + LEASE + 1).make_ready(VIDEO) == "assets"
    assert take(ledger, "two", now=START + LEASE + 1).attempts == 2


def test_a_worker_that_lost_its_lease_cannot_change_the_asset(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    lost = take(ledger, "one")
    at(ledger, START + LEASE + 1).make_ready(VIDEO)
    kept = take(ledger, "two", now=START + LEASE + 1)
    before = ledger.asset(VIDEO)
    with pytest.raises(LeaseLostError):
        at(ledger, START + LEASE + 2).heartbeat(lost)
    with pytest.raises(LeaseLostError):
        ledger.postpone(lost, "stalled", streak=1, until=START)
    with pytest.raises(LeaseLostError):
        at(ledger, START).settle(VIDEO, lost.owner, "archived")
    with pytest.raises(LeaseLostError):
        at(ledger, START).settle(VIDEO, "", "expired")
    assert at(ledger, START).crashed(lost.owner) == []
    assert ledger.asset(VIDEO) == before
    assert at(ledger, START).settle(VIDEO, kept.owner, "archived") == 0


def test_a_heartbeat_moves_the_lease_and_the_timer_and_the_upload(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = take(ledger, "one")
    at(ledger, START).upload_began("id key")
    at(ledger, START + 30).heartbeat(lease, upload="id key")
    assert at(ledger, START + LEASE + 1).make_ready(VIDEO) == ""
    assert redis.zscore(TIMERS, str(VIDEO)) == START + 30 + LEASE
    assert at(ledger, START + LEASE + 1).orphaned_uploads() == []
    assert at(ledger, START + 30 + LEASE + 1).orphaned_uploads() == ["id key"]


def test_an_asset_in_its_backoff_is_not_ready(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    ledger.postpone(take(ledger, "one"), "rate_limited", streak=1, until=START + 500)
    assert ledger.ready() == {"urgent": 0, "assets": 0, "suspects": 0}
    at(ledger, START + 500).make_ready(VIDEO)
    lease = take(ledger, "two", now=START + 500)
    assert (lease.last_reason, lease.streak) == ("rate_limited", 1)


def test_assets_are_taken_in_deadline_order_and_expired_assets_are_not_taken(ledger: Ledger, payload: Payload) -> None:
    callback = parse_callback(payload("separation_split_stem"))
    deadlines = [START + 3600 * (1 + (7 * number) % 12) for number in range(12)]
    named = [(asset, asset.stem, deadline) for asset, deadline in zip(callback.assets, deadlines, strict=True)]
    at(ledger, START).record(callback, "{}", named, received_at=START)
    late = START + 3 * 3600
    taken = [take(ledger, f"o{number}", now=late).deadline for number in range(9)]
    assert taken == sorted(deadlines)[3:]
    assert at(ledger, late).take(("urgent", "assets"), "nobody") is None
