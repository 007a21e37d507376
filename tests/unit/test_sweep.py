"""One alarm, or one upload, that cannot be dealt with does not keep the others from it."""

import json

import pytest

from tests.conftest import Payload
from tests.unit.conftest import LEASE, Clock, Sent
from workers.assets import AssetId
from workers.dispatch import follow_up
from workers.errors import TransientError
from workers.ingest import ingest
from workers.sweep import sweep
from workers.vault import Vault


def test_an_alarm_that_raises_does_not_stop_the_sweep(
    vault: Vault, clock: Clock, sent: Sent, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload("separation_split_stem")
    ingest(vault, json.dumps(body), clock())
    sent.take()
    names = set(vault.ledger.snapshot(body["data"]["task_id"]).assets)  # type: ignore[union-attr]
    rung = []

    def fail_for_bass(vault: Vault, asset: AssetId) -> str:
        rung.append(asset.name)
        if asset.name == "bass":
            raise OverflowError
        return follow_up(vault, asset)

    monkeypatch.setattr("workers.sweep.follow_up", fail_for_bass)
    clock.advance(vault.settings.retention - vault.settings.urgent_window + 1)
    sweep(vault)
    assert set(rung) == names
    assert vault.ledger.ready()["urgent"] == len(names) - 1
    clock.advance(20)
    sweep(vault)
    assert rung.count("bass") == 2


def test_an_upload_that_cannot_be_aborted_does_not_keep_the_others_and_has_its_turn_again(
    vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        vault.ledger.upload_began(f"u{number:03} key")
    aborted = []

    def abort(upload: str) -> None:
        if upload.startswith("u00"):
            raise TransientError("store_unavailable", "405")
        aborted.append(upload)

    monkeypatch.setattr(vault.store, "abort", abort)
    clock.advance(LEASE + 1)
    for _ in range(2):
        sweep(vault)
    assert len(aborted) == 140
    assert len(vault.ledger.orphaned_uploads()) == 0
    clock.advance(LEASE + 1)
    assert len(vault.ledger.orphaned_uploads()) == 10
