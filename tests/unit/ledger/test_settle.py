"""Settled assets, and the retry that an operator asks for."""

import pytest

from tests.conftest import Payload
from tests.unit.conftest import LEASE, START, at
from tests.unit.ledger.steps import DEADLINE, VIDEO, record, take
from workers.callbacks.assets import AssetId
from workers.ledger.ledger import Ledger


@pytest.mark.parametrize("state", ["archived", "rejected", "expired", "set_aside"])
def test_a_settled_asset_is_never_ready_again(ledger: Ledger, payload: Payload, state: str) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, state)
    assert at(ledger, START + 10 * LEASE).make_ready(VIDEO) == "settled"
    assert ledger.ready() == {"urgent": 0, "assets": 0, "suspects": 0}
    assert at(ledger, START).make_ready(AssetId("nobody", "knows")) == "settled"


def test_a_rejected_asset_can_be_revived_once_and_taken_again(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "rejected", reason="gone")
    assert at(ledger, START + 5).revive(VIDEO, deadline=DEADLINE)
    assert not at(ledger, START + 5).revive(VIDEO, deadline=DEADLINE)
    assert at(ledger, START + 6).due(limit=10) == [str(VIDEO)]
    assert at(ledger, START + 6).make_ready(VIDEO) == "assets"
    assert take(ledger, "two", now=START + 6).last_reason == ""


def test_an_asset_in_its_backoff_can_be_retried_at_once(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    assert not at(ledger, START).revive(VIDEO, deadline=DEADLINE)
    ledger.postpone(take(ledger, "one"), "gone", streak=3, until=START + 900)
    assert at(ledger, START + 1).revive(VIDEO, deadline=DEADLINE)
    assert at(ledger, START + 1).due(limit=10) == [str(VIDEO)]
