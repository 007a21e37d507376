"""The sweep: timers fire, deadlines end assets, and lost wake-up messages are replaced."""

import json

import pytest
from structlog.testing import capture_logs

from tests.conftest import Payload
from tests.origin import Answer, Origin
from tests.unit.conftest import LEASE, Clock, Sent
from tests.unit.story import GOOD, PATH, check_stored_after, run, state, stored
from workers.callbacks.assets import AssetId
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.follow_up import follow_up
from workers.ingest import ingest


@pytest.mark.slow
def test_a_killed_workers_asset_is_taken_up_when_its_lease_ends(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    sent.take()
    context.ledger.take(("assets",), "killed")
    check_stored_after(LEASE, context, clock, sent)


def test_an_asset_that_is_not_stored_before_its_deadline_expires_and_is_logged_as_an_error(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=503))
    ingest(context, body, clock())
    run(context, sent)
    clock.advance(15 * 86400)
    with capture_logs() as logs:
        sweep(context)
    assert state(context) == ("expired", "origin_error")
    assert [entry["log_level"] for entry in logs if entry["event"] == "asset_expired"] == ["error"]
    assert context.ledger.counters()["assets|expired|origin_error"] == 1


@pytest.mark.slow
def test_lost_wake_ups_are_made_up_for_by_the_sweep(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    assert sent.take() == ["assets"]  # and the messages are lost
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD
    sweep(context)
    assert sent.take() == []


def test_a_timer_that_raises_does_not_stop_the_sweep(
    context: WorkerContext, clock: Clock, sent: Sent, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload("separation_split_stem")
    ingest(context, json.dumps(body), clock())
    sent.take()
    names = set(context.ledger.snapshot(body["data"]["task_id"]).assets)  # type: ignore[union-attr]
    fired = []

    def fail_for_bass(context: WorkerContext, asset: AssetId) -> str:
        fired.append(asset.name)
        if asset.name == "bass":
            raise OverflowError
        return follow_up(context, asset)

    monkeypatch.setattr("workers.clock.sweep.follow_up", fail_for_bass)
    clock.advance(context.settings.retention - context.settings.urgent_window + 1)
    sweep(context)
    assert set(fired) == names
    assert context.ledger.ready()["urgent"] == len(names) - 1
    clock.advance(20)
    sweep(context)
    assert fired.count("bass") == 2
