"""Assets of dead processes and workers: retried, tried alone, dead-lettered."""

from tests.conftest import Payload
from tests.unit.conftest import LEASE, START, at
from tests.unit.ledger.steps import DEADLINE, VIDEO, record, song_at, take
from workers.callbacks.assets import AssetId
from workers.ledger.assets import MAX_CRASHES, MAX_LAPSES, SUSPECT_AFTER
from workers.ledger.ledger import Ledger


def test_an_asset_over_which_processes_keep_dying_is_poison(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    for number in range(MAX_CRASHES):
        assert at(ledger, START + number).make_ready(VIDEO) == ("" if number == 0 else "assets")
        lease = take(ledger, f"o{number}", now=START + number)
        assert at(ledger, START + number).crashed(lease.owner) == [str(VIDEO)]
    assert at(ledger, START + 10).make_ready(VIDEO) == "poison"
    assert at(ledger, START + 11).make_ready(VIDEO) == "poison"  # the process that took the step died
    assert at(ledger, START + 12).settle(VIDEO, "", "set_aside", reason="worker_lost") == 0


def test_an_asset_that_was_caught_in_the_death_of_whole_workers_gets_more_patience(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    now = START
    for number in range(MAX_LAPSES - 1):
        take(ledger, f"o{number}", now=now)
        now += LEASE + 1
        assert at(ledger, now).make_ready(VIDEO) == "assets"
    ledger.postpone(take(ledger, "clean", now=now), "stalled", streak=1, until=now)
    at(ledger, now).make_ready(VIDEO)
    take(ledger, "again", now=now)
    assert at(ledger, now + LEASE + 1).make_ready(VIDEO) == "assets"  # postpone() resets the count


def test_all_that_a_dead_process_held_is_taken_up_again_and_what_others_hold_is_not(ledger: Ledger) -> None:
    for number in range(3):
        record(ledger, song_at("h.test", f"t{number}"))
    held = {str(take(ledger, f"shift:{number}").id) for number in range(2)}
    take(ledger, "shift1:0")
    assert set(ledger.crashed("shift:")) == held
    assert ledger.crashed("shift:") == []


def test_assets_that_were_in_transfer_in_repeated_crashes_are_retried_one_by_one(
    ledger: Ledger,
) -> None:
    names = ["good", "killer"]
    for name in names:
        record(ledger, song_at("h.test", name))
    for death in range(SUSPECT_AFTER):
        for name in names:
            take(ledger, f"shift{death}:{name}")
        crashed = ledger.crashed(f"shift{death}:")
        assert len(crashed) == 2
        queues = {ledger.make_ready(AssetId.parse(asset)) for asset in crashed}
        assert queues == {"assets" if death + 1 < SUSPECT_AFTER else "suspects"}
    assert ledger.take(("urgent", "assets"), "company:0") is None
    alone = {lease.id.task_id: lease for lease in (ledger.take(("suspects",), f"alone{n}:0") for n in "ab") if lease}
    ledger.postpone(alone["good"], "stalled", streak=1, until=START)
    assert ledger.make_ready(alone["good"].id) == "assets"
    for _ in range(MAX_CRASHES):
        owner = ledger.asset(alone["killer"].id).owner or ""
        assert ledger.crashed(owner) == [str(alone["killer"].id)]
        step = ledger.make_ready(alone["killer"].id)
        if step == "suspects":
            assert ledger.take(("suspects",), "again:0")
    assert step == "poison"


def test_a_suspect_asset_that_expires_in_the_queue_is_due(ledger: Ledger) -> None:
    record(ledger, song_at("h.test", "t"))
    for death in range(SUSPECT_AFTER):
        for owner in ("a", "b"):
            if death == 0 and owner == "b":
                record(ledger, song_at("h.test", "u"))
            take(ledger, f"{death}:{owner}")
        for asset in ledger.crashed(f"{death}:"):
            ledger.make_ready(AssetId.parse(asset))
    assert ledger.ready()["suspects"] == 2
    assert len(at(ledger, DEADLINE + 1).due(limit=10)) == 2
    assert ledger.ready()["suspects"] == 0
