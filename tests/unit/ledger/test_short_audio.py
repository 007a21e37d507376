"""Audio that is shorter than announced, and partial files."""

from typing import Any

import pytest

from tests.unit.conftest import START, at
from tests.unit.ledger.steps import record, snapshot, take
from workers.errors import LeaseLostError
from workers.ledger.ledger import Ledger
from workers.ledger.values.facts import ObjectFacts, PartialFile
from workers.media.duration import is_short


def track(duration: float | None, stage: str, url: str = "http://h/x.mp3") -> dict[str, Any]:
    entry = {"id": "i", "audio_url": url, "duration": duration}
    return {"code": 200, "data": {"task_id": "t", "callbackType": stage, "data": [entry]}}


def facts_of(seconds: float) -> ObjectFacts:
    return ObjectFacts(1, "audio/mpeg", seconds=seconds)


@pytest.mark.parametrize("announced", [3.0, 60.0, 99.0, 100.0, 101.0, 198.44, 600.0])
@pytest.mark.parametrize("missing", [1.9, 2.0, 2.1, 3.9, 4.1, 11.9, 12.1])
def test_the_ledger_marks_as_short_what_the_worker_retries_as_short(
    ledger: Ledger, announced: float, missing: float
) -> None:
    track = {"id": "i", "audio_url": "http://h/x.mp3", "duration": announced}
    record(ledger, {"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": [track]}})
    lease = take(ledger, "one")
    measured = round(announced - missing, 3)
    at(ledger, START).settle(lease.id, "one", "archived", facts=facts_of(measured))
    marked = bool(ledger.asset(lease.id).notes)
    assert marked == is_short(measured, announced)
    assert ledger.counters().get("short_audio||", 0) == int(marked)


def test_a_mark_follows_what_the_latest_stage_announces_and_is_counted_once(ledger: Ledger) -> None:
    record(ledger, track(183.0, "first"))
    lease = take(ledger, "one")
    at(ledger, START).settle(lease.id, "one", "archived", facts=facts_of(183.2))
    record(ledger, track(250.0, "complete"), now=START + 1)
    assert ledger.asset(lease.id).notes == ("short: 183.2 s of 250.0 s announced",)
    record(ledger, track(99.0, "first"), now=START + 2)
    assert ledger.asset(lease.id).announced_seconds == 250.0
    record(ledger, track(184.0, "complete"), now=START + 3)
    assert not ledger.asset(lease.id).notes
    version = snapshot(ledger, "t").version
    for body in (track(183.0, "first"), track(250.0, "complete"), track(184.0, "complete")):
        assert not record(ledger, body, now=START + 9).changed
    assert snapshot(ledger, "t").version == version
    assert ledger.counters()["short_audio||"] == 1


def test_a_whole_song_that_cannot_be_measured_is_not_marked_by_the_length_of_its_part(ledger: Ledger) -> None:
    record(ledger, track(6.0, "complete"))
    lease = take(ledger, "one")
    ledger.postpone(lease, "short", streak=1, until=START + 1, partial=PartialFile("_partial/k", 2.0))
    at(ledger, START + 1).make_ready(lease.id)
    again = take(ledger, "two", now=START + 2)
    assert (again.partial, again.seconds, again.final) == ("_partial/k", 2.0, False)
    at(ledger, START + 3).settle(again.id, "two", "archived")
    settled = ledger.asset(lease.id)
    assert (settled.notes, settled.seconds, settled.partial) == ((), None, None)


def test_a_partial_file_stays_known_after_its_asset_is_given_up_and_gets_a_new_url(ledger: Ledger) -> None:
    record(ledger, track(6.0, "complete"))
    lease = take(ledger, "one")
    at(ledger, START).heartbeat(lease, partial="_partial/k")
    at(ledger, START).settle(lease.id, "one", "set_aside", reason="poison")
    record(ledger, track(6.0, "complete", "http://h/y.mp3"), now=START + 1)
    assert take(ledger, "two", now=START + 2).partial == "_partial/k"


def test_a_worker_that_has_lost_its_lease_does_not_get_to_keep_a_part(ledger: Ledger) -> None:
    record(ledger, track(6.0, "complete"))
    lease = take(ledger, "one")
    at(ledger, START).crashed("one")
    with pytest.raises(LeaseLostError):
        at(ledger, START).heartbeat(lease, partial="_partial/k")
    assert ledger.asset(lease.id).partial is None


def test_a_fresh_url_is_tried_before_the_part_is_stored(ledger: Ledger) -> None:
    record(ledger, track(6.0, "complete"))
    lease = take(ledger, "one")
    at(ledger, START).heartbeat(lease, partial="_partial/k")
    record(ledger, track(6.0, "complete", "http://h/y.mp3"), now=START + 1)
    ledger.postpone(lease, "gone", streak=0, until=START + 2, final=True)
    assert at(ledger, START + 2).due(limit=10) == [str(lease.id)]
    at(ledger, START + 2).make_ready(lease.id)
    again = take(ledger, "two", now=START + 3)
    assert (again.url, again.final, again.streak) == ("http://h/y.mp3", False, 0)
