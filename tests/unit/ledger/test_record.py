"""Recording callbacks: repeats, stages out of order, limits."""

import re

import pytest

from tests.conftest import Payload
from tests.unit.conftest import START, at
from tests.unit.ledger.steps import VIDEO, fail, record, snapshot, take, with_url
from workers.callbacks import MAX_ASSETS, parse_callback
from workers.ledger.ledger import Ledger
from workers.ledger.tasks import MAX_CALLBACKS
from workers.ledger.values.records import Recorded


def named_by_path(ledger: Ledger, url: str, *, now: float = START) -> Recorded:
    return record(ledger, {"code": 200, "taskId": "t", "data": {"info": {"resultUrl": url}}}, now=now)


def test_the_stages_of_a_task_and_their_repeats_make_each_asset_ready_once(ledger: Ledger, payload: Payload) -> None:
    stages = ["music_text", "music_first", "music_complete", "music_complete", "music_first", "music_text"]
    ready = [record(ledger, payload(name)).ready["assets"] for name in stages]
    assert ready == [0, 6, 6, 0, 0, 0]
    assert ledger.ready() == {"urgent": 0, "assets": 12, "suspects": 0}


def test_a_repeat_of_the_same_body_changes_nothing(ledger: Ledger, payload: Payload) -> None:
    assert record(ledger, payload("music_complete")).changed
    before = snapshot(ledger, payload("music_complete")["data"]["task_id"])
    assert not record(ledger, payload("music_complete"), now=START + 5).changed
    assert snapshot(ledger, before.task_id) == before


def test_a_late_first_does_not_take_a_complete_back(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("music_complete"))
    record(ledger, payload("music_first"))
    assert snapshot(ledger, payload("music_first")["data"]["task_id"]).task.stage == "complete"


@pytest.mark.parametrize(
    ("first", "again", "other"),
    [
        ("http://h/a/hd.mp4?sig=1", "http://cdn/a/hd.mp4?sig=2", "http://h/a/4k.mp4?sig=3"),
        ("http://h/a/video.mp4", "http://h/a/video.mp4?sig=2", "http://h/b/video.mp4"),
        ("http://h/sig1/7d1f3c520b7e4e589a53.mp4", "http://h/sig2/7d1f3c520b7e4e589a53.mp4", "http://h/sig2/c2a98e77.mp4"),
    ],
)  # fmt: skip
def test_another_file_under_the_same_path_is_another_asset_and_a_fresh_url_is_not(
    ledger: Ledger, first: str, again: str, other: str
) -> None:
    named_by_path(ledger, first)
    named_by_path(ledger, again, now=START + 1)
    assert set(snapshot(ledger, "t").assets) == {"result"}
    assert snapshot(ledger, "t").assets["result"].url == again
    lease = take(ledger, "one")
    at(ledger, START).settle(lease.id, "one", "archived")
    for _ in range(2):
        named_by_path(ledger, other, now=START + 2)
    found = snapshot(ledger, "t")
    name = next(name for name in found.assets if name != "result")
    assert len(found.assets) == 2
    assert re.fullmatch(r"result-[0-9a-f]{8}", name)
    assert (found.assets[name].url, found.assets[name].key) == (other, f"t/t_{name}.mp4")
    assert found.open == 1


@pytest.mark.slow
def test_notes_stay_when_a_later_callback_has_none(ledger: Ledger) -> None:
    urls = {f"s{number}_url": f"https://a.example/{number}.mp3" for number in range(MAX_ASSETS + 1)}
    record(ledger, {"code": 200, "taskId": "t", "data": {"vocal_removal_info": urls}})
    record(ledger, {"code": 200, "taskId": "t", "data": {"instruments": []}})
    assert "only the first" in "".join(snapshot(ledger, "t").task.notes)


def test_a_body_that_was_seen_changes_nothing_so_two_that_alternate_revive_nothing(
    ledger: Ledger, payload: Payload
) -> None:
    bodies = [payload("video", f"http://{name}.test") for name in ("old", "new")]
    for body in bodies:
        record(ledger, body)
    fail(ledger, take(ledger, "one"))
    for _ in range(3):
        for body in bodies:
            assert not record(ledger, body, now=START + 60).changed
    assert ledger.asset(VIDEO).state == "rejected"
    assert ledger.asset(VIDEO).url == bodies[1]["data"]["video_url"]


def test_beyond_the_bodies_that_are_kept_two_that_alternate_still_revive_nothing(
    ledger: Ledger, payload: Payload
) -> None:
    for number in range(MAX_CALLBACKS):
        record(ledger, with_url(payload("video"), f"http://origin.test/{number}.mp4"), now=START + number)
    now = START + MAX_CALLBACKS
    for name in ("a", "b"):
        record(ledger, with_url(payload("video"), f"http://origin.test/{name}.mp4"), now=now)
    fail(ledger, take(ledger, "one", now=now), now=now)
    for name in ("a", "b", "a", "b"):
        reply = record(ledger, with_url(payload("video"), f"http://origin.test/{name}.mp4"), now=now + 1)
        assert (reply.changed, reply.kept) == (False, False)
    assert ledger.asset(VIDEO).state == "rejected"
    assert len(snapshot(ledger, VIDEO.task_id).callbacks) == MAX_CALLBACKS
    assert ledger.has_recorded(parse_callback(payload("video")), b"never seen") is False
