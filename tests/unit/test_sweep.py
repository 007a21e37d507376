"""One alarm, or one upload, that cannot be dealt with does not keep the others from it."""

import json

import pytest

from tests.conftest import Payload
from tests.unit.conftest import LEASE, Clock, Sent
from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.follow_up import follow_up
from workers.ingest import ingest
from workers.sweep import sweep


def test_an_timer_that_raises_does_not_stop_the_sweep(
    context: WorkerContext, clock: Clock, sent: Sent, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload("separation_split_stem")
    ingest(context, json.dumps(body), clock())
    sent.take()
    names = set(context.ledger.snapshot(body["data"]["task_id"]).assets)  # type: ignore[union-attr]
    rung = []

    def fail_for_bass(context: WorkerContext, asset: AssetId) -> str:
        rung.append(asset.name)
        if asset.name == "bass":
            raise OverflowError
        return follow_up(context, asset)

    monkeypatch.setattr("workers.sweep.follow_up", fail_for_bass)
    clock.advance(context.settings.retention - context.settings.urgent_window + 1)
    sweep(context)
    assert set(rung) == names
    assert context.ledger.ready()["urgent"] == len(names) - 1
    clock.advance(20)
    sweep(context)
    assert rung.count("bass") == 2


def test_an_upload_that_cannot_be_aborted_does_not_keep_the_others_and_has_its_turn_again(
    context: WorkerContext, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        context.ledger.upload_began(f"u{number:03} key")
    aborted = []

    def abort(upload: str) -> None:
        if upload.startswith("u00"):
            raise TransientError("store_unavailable", "405")
        aborted.append(upload)

    monkeypatch.setattr(context.store, "abort", abort)
    clock.advance(LEASE + 1)
    for _ in range(2):
        sweep(context)
    assert len(aborted) == 140
    assert len(context.ledger.orphaned_uploads()) == 0
    clock.advance(LEASE + 1)
    assert len(context.ledger.orphaned_uploads()) == 10
