import json
import re
import time
from typing import Any

import fakeredis
import pytest

from app.embedded.stack import embedded_stack
from config.layout import KeyLayout
from tests.conftest import Payload
from tests.unit.conftest import LEASE, START, URGENT, at
from workers.callbacks import MAX_ASSETS, parse_callback
from workers.callbacks.assets import AssetId
from workers.errors import FreshUrlError, LeaseLostError
from workers.ledger.assets import MAX_CRASHES, MAX_LAPSES, SUSPECT_AFTER
from workers.ledger.keys import FORMAT, FORMATS, READY, TIMERS, asset_key
from workers.ledger.ledger import Ledger
from workers.ledger.records import Lease, Recorded, TaskSnapshot
from workers.ledger.tasks import MAX_CALLBACKS
from workers.ledger.timers import GRACE
from workers.media.duration import is_short

DEADLINE = START + 1_000_000
#: The source of the examples' video.
HOST = "origin.test"
VIDEO = AssetId("taskId_c20ad4d76fe9", "video")


def record(ledger: Ledger, body: dict[str, Any], *, now: float = START) -> Recorded:
    callback = parse_callback(body)
    named = [(asset, asset.key(KeyLayout()), DEADLINE) for asset in callback.assets]
    return at(ledger, now).record(callback, json.dumps(body), named, received_at=now)


def take(ledger: Ledger, owner: str, *, now: float = START) -> Lease:
    lease = at(ledger, now).take(("urgent", "assets"), owner)
    assert lease
    return lease


def snapshot(ledger: Ledger, task_id: str) -> TaskSnapshot:
    found = ledger.snapshot(task_id)
    assert found
    return found


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
    assert snapshot(ledger, payload("music_first")["data"]["task_id"]).task["stage"] == "complete"


def test_an_asset_is_taken_by_one_owner_at_a_time(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    take(ledger, "one")
    assert at(ledger, START).take(("urgent", "assets"), "two") is None
    assert at(ledger, START + LEASE - 1).make_ready(VIDEO) == ""
    assert at(ledger, START + LEASE - 1).take(("urgent", "assets"), "two") is None
    assert at(ledger, START + LEASE + 1).make_ready(VIDEO) == "assets"
    assert take(ledger, "two", now=START + LEASE + 1).attempts == 2


def test_who_has_lost_the_lease_can_change_nothing_any_more(ledger: Ledger, payload: Payload) -> None:
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


def test_a_newer_format_on_the_same_redis_is_noticed(ledger: Ledger, redis: fakeredis.FakeRedis) -> None:
    assert ledger.newest_format() == FORMAT
    redis.sadd(FORMATS, FORMAT + 1)
    assert ledger.newest_format() == FORMAT + 1


def test_each_asset_has_exactly_one_next_step_until_it_is_settled(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    def steps() -> list[tuple[str, float]]:
        sets = {TIMERS: TIMERS} | {key: f"{key}:{HOST}" for key in READY.values()}
        found = {name: redis.zscore(key, str(VIDEO)) for name, key in sets.items()}
        assert all((name in found and found[name]) == redis.zscore(name, HOST) for name in READY.values())
        return [(name, at) for name, at in found.items() if at is not None]

    record(ledger, payload("video"))
    assert ledger.asset(VIDEO)["attempts"] == "0"
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
    assert redis.zrange(TIMERS, 0, -1) == [VIDEO.task_id]  # the manifest's


def test_an_asset_in_its_backoff_is_not_ready(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    ledger.postpone(take(ledger, "one"), "rate_limited", streak=1, until=START + 500)
    assert ledger.ready() == {"urgent": 0, "assets": 0, "suspects": 0}
    at(ledger, START + 500).make_ready(VIDEO)
    lease = take(ledger, "two", now=START + 500)
    assert (lease.last_reason, lease.streak) == ("rate_limited", 1)


@pytest.mark.parametrize("state", ["archived", "rejected", "expired", "set_aside"])
def test_a_settled_asset_is_never_ready_again(ledger: Ledger, payload: Payload, state: str) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, state)
    assert at(ledger, START + 10 * LEASE).make_ready(VIDEO) == "settled"
    assert ledger.ready() == {"urgent": 0, "assets": 0, "suspects": 0}
    assert at(ledger, START).make_ready(AssetId("nobody", "knows")) == "settled"


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


def test_what_expires_first_is_taken_first_and_what_has_expired_not_at_all(ledger: Ledger, payload: Payload) -> None:
    callback = parse_callback(payload("separation_split_stem"))
    deadlines = [START + 3600 * (1 + (7 * number) % 12) for number in range(12)]
    named = [(asset, asset.stem, deadline) for asset, deadline in zip(callback.assets, deadlines, strict=True)]
    at(ledger, START).record(callback, "{}", named, received_at=START)
    late = START + 3 * 3600
    taken = [take(ledger, f"o{number}", now=late).deadline for number in range(9)]
    assert taken == sorted(deadlines)[3:]
    assert at(ledger, late).take(("urgent", "assets"), "nobody") is None


def test_an_asset_over_which_processes_keep_dying_is_poison(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    for number in range(MAX_CRASHES):
        assert at(ledger, START + number).make_ready(VIDEO) == ("" if number == 0 else "assets")
        lease = take(ledger, f"o{number}", now=START + number)
        assert at(ledger, START + number).crashed(lease.owner) == [str(VIDEO)]
    assert at(ledger, START + 10).make_ready(VIDEO) == "poison"
    assert at(ledger, START + 11).make_ready(VIDEO) == "poison"  # whoever was told so has died
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
    assert at(ledger, now + LEASE + 1).make_ready(VIDEO) == "assets"  # counted anew after a clean end


def test_what_was_given_up_is_tried_again_when_a_person_wants_it(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "rejected", reason="gone")
    assert at(ledger, START + 5).revive(VIDEO, deadline=DEADLINE)
    assert not at(ledger, START + 5).revive(VIDEO, deadline=DEADLINE)
    assert at(ledger, START + 6).due(limit=10) == [str(VIDEO)]
    assert at(ledger, START + 6).make_ready(VIDEO) == "assets"
    assert take(ledger, "two", now=START + 6).last_reason == ""


def with_url(body: dict[str, Any], url: str) -> dict[str, Any]:
    return {**body, "data": {**body["data"], "video_url": url}}


def test_a_later_callback_refreshes_the_url_of_what_is_not_archived_and_has_it_tried_at_once(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    ledger.postpone(take(ledger, "one"), "gone", streak=3, until=START + 5000)
    refreshed = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"), now=START + 10)
    assert refreshed.ready == {"urgent": 0, "assets": 1}
    lease = take(ledger, "two", now=START + 11)
    assert (lease.url, lease.streak) == ("http://origin.test/fresh.mp4", 0)


def test_a_later_callback_revives_what_was_rejected_but_only_with_another_url(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "rejected", reason="gone")
    assert record(ledger, payload("video")).ready == {"urgent": 0, "assets": 0}
    revived = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"))
    assert (revived.ready["assets"], revived.open) == (1, 1)


def test_a_later_callback_never_touches_what_is_archived(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "archived", facts={"sha256": "abc"})
    before = ledger.asset(VIDEO)
    assert record(ledger, with_url(payload("video"), "http://evil.test/other.mp4")).ready == {"urgent": 0, "assets": 0}
    assert ledger.asset(VIDEO) == before


def test_a_due_timer_rings_for_one_of_two_clocks(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    due = DEADLINE - URGENT
    assert at(ledger, due - 1).due(limit=10) == []
    assert at(ledger, due).due(limit=10) == [str(VIDEO)]
    assert at(ledger, due).due(limit=10) == []
    assert at(ledger, due + GRACE).due(limit=10) == [str(VIDEO)]  # its taker died


def test_a_manifest_of_an_older_version_is_not_the_last_word(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("music_text"))
    task_id = payload("music_text")["data"]["task_id"]
    assert ledger.lock_manifest(task_id, "one")
    assert not ledger.lock_manifest(task_id, "two")
    old = snapshot(ledger, task_id)
    record(ledger, payload("music_error_400") | {"data": {"task_id": task_id, "callbackType": "error", "data": None}})
    assert not ledger.manifest_written(old, "one", remember=100)
    assert redis.zscore(TIMERS, task_id) is not None
    assert ledger.lock_manifest(task_id, "one")
    assert ledger.manifest_written(snapshot(ledger, task_id), "one", remember=100)
    assert redis.zscore(TIMERS, task_id) is None


def test_redis_forgets_a_settled_task_in_time_and_keeps_one_in_flight(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    ledger.manifest_written(snapshot(ledger, VIDEO.task_id), "one", remember=100)
    task_keys = [key for key in redis.scan_iter() if VIDEO.task_id in key]
    assert [redis.ttl(key) for key in task_keys] == [-1] * 2
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "archived")
    ledger.manifest_written(snapshot(ledger, VIDEO.task_id), "one", remember=100)
    assert [redis.ttl(key) for key in task_keys] == [100] * 2
    record(ledger, with_url(payload("video"), "http://origin.test/again.mp4"))
    assert [redis.ttl(key) for key in task_keys] == [-1] * 2


def named_by_path(ledger: Ledger, url: str, *, now: float = START) -> Recorded:
    return record(ledger, {"code": 200, "taskId": "t", "data": {"info": {"resultUrl": url}}}, now=now)


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
    assert snapshot(ledger, "t").assets["result"]["url"] == again
    lease = take(ledger, "one")
    at(ledger, START).settle(lease.id, "one", "archived")
    for _ in range(2):
        named_by_path(ledger, other, now=START + 2)
    found = snapshot(ledger, "t")
    name = next(name for name in found.assets if name != "result")
    assert len(found.assets) == 2
    assert re.fullmatch(r"result-[0-9a-f]{8}", name)
    assert (found.assets[name]["url"], found.assets[name]["key"]) == (other, f"t/t_{name}.mp4")
    assert found.open == 1


def test_notes_stay_when_a_later_callback_has_none(ledger: Ledger) -> None:
    urls = {f"s{number}_url": f"https://a.example/{number}.mp3" for number in range(MAX_ASSETS + 1)}
    record(ledger, {"code": 200, "taskId": "t", "data": {"vocal_removal_info": urls}})
    record(ledger, {"code": 200, "taskId": "t", "data": {"instruments": []}})
    assert "only the first" in snapshot(ledger, "t").task["notes"]


@pytest.mark.parametrize("announced", [3.0, 60.0, 99.0, 100.0, 101.0, 198.44, 600.0])
@pytest.mark.parametrize("missing", [1.9, 2.0, 2.1, 3.9, 4.1, 11.9, 12.1])
def test_the_ledger_marks_as_short_what_the_worker_retries_as_short(
    ledger: Ledger, announced: float, missing: float
) -> None:
    track = {"id": "i", "audio_url": "http://h/x.mp3", "duration": announced}
    record(ledger, {"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": [track]}})
    lease = take(ledger, "one")
    measured = round(announced - missing, 3)
    at(ledger, START).settle(lease.id, "one", "archived", facts={"seconds": measured})
    marked = "notes" in ledger.asset(lease.id)
    assert marked == is_short(measured, announced)
    assert ledger.counters().get("short_audio||", 0) == int(marked)


def fail(ledger: Ledger, lease: Lease, *, now: float = START) -> None:
    at(ledger, now).settle(lease.id, lease.owner, "rejected", reason="gone")


def test_a_fresh_url_that_comes_during_an_attempt_is_tried_when_the_old_one_gives_up(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = take(ledger, "one")
    fresh = payload("video", "http://fresh.test")
    record(ledger, fresh, now=START + 1)
    with pytest.raises(FreshUrlError):
        fail(ledger, lease)
    assert at(ledger, START + 2).make_ready(VIDEO) == "assets"
    again = take(ledger, "two", now=START + 3)
    assert again.url == fresh["data"]["video_url"]
    fail(ledger, again)
    assert ledger.asset(VIDEO)["state"] == "rejected"


def test_a_fresh_url_that_comes_during_an_attempt_does_not_wait_for_the_old_ones_backoff(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = take(ledger, "one")
    record(ledger, payload("video", "http://fresh.test"), now=START + 1)
    ledger.postpone(lease, "gone", streak=1, until=START + 900)
    assert at(ledger, START + 2).due(limit=10) == [str(VIDEO)]
    assert at(ledger, START + 2).make_ready(VIDEO) == "assets"


def test_siblings_of_what_comes_back_do_not_expire(ledger: Ledger, payload: Payload) -> None:
    body = payload("music_first")
    record(ledger, body)
    while lease := at(ledger, START).take(("assets",), "one"):
        at(ledger, START).settle(lease.id, "one", "rejected" if lease.id.name.endswith("stream") else "archived")
    found = snapshot(ledger, body["data"]["task_id"])
    keys = [asset_key(AssetId(found.task_id, name)) for name in found.assets]

    def expiring() -> int:
        return sum(ledger.redis.ttl(key) > 0 for key in keys)

    stream = next(name for name in found.assets if name.endswith("stream"))
    for come_back in (
        lambda: record(ledger, {"code": 200, "taskId": found.task_id, "extra": "http://h/x.png"}),
        lambda: ledger.revive(AssetId(found.task_id, stream), deadline=DEADLINE),
    ):  # fmt: skip
        assert ledger.lock_manifest(found.task_id, "writer")
        assert ledger.manifest_written(snapshot(ledger, found.task_id), "writer", remember=1000)
        assert expiring() == len(keys)
        come_back()
        assert expiring() == 0
        # Settled again, so that the next manifest lets all of it expire.
        while lease := at(ledger, START).take(("assets",), "one"):
            at(ledger, START).settle(lease.id, "one", "archived")


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
    assert ledger.asset(VIDEO)["state"] == "rejected"
    assert ledger.asset(VIDEO)["url"] == bodies[1]["data"]["video_url"]


def test_a_url_gives_way_to_one_of_a_later_stage_or_arrival_and_to_no_other(ledger: Ledger, payload: Payload) -> None:
    asset = AssetId("b1946ac92492d2347c6235b4d2611184", "7d1f3c52-0b7e-4e58-9a53-1f4a2c6d8e01/cover")

    def url_after(name: str, host: str, now: float) -> str:
        record(ledger, payload(name, f"http://{host}.test"), now=now)
        return ledger.asset(asset)["url"].split("/")[2]

    assert url_after("music_first", "first", START) == "first.test"
    assert url_after("music_complete", "complete", START + 10) == "complete.test"
    assert url_after("music_first", "late-first", START + 20) == "complete.test"
    assert url_after("music_complete", "drained-late", START + 5) == "complete.test"
    assert url_after("music_complete", "again", START + 30) == "again.test"


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
    assert ledger.asset(VIDEO)["state"] == "rejected"
    assert len(snapshot(ledger, VIDEO.task_id).callbacks) == MAX_CALLBACKS
    assert ledger.has_recorded(parse_callback(payload("video")), b"never seen") is False


def test_what_waits_in_its_backoff_can_be_tried_at_once(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    assert not at(ledger, START).revive(VIDEO, deadline=DEADLINE)
    ledger.postpone(take(ledger, "one"), "gone", streak=3, until=START + 900)
    assert at(ledger, START + 1).revive(VIDEO, deadline=DEADLINE)
    assert at(ledger, START + 1).due(limit=10) == [str(VIDEO)]


def track(duration: float | None, stage: str, url: str = "http://h/x.mp3") -> dict[str, Any]:
    entry = {"id": "i", "audio_url": url, "duration": duration}
    return {"code": 200, "data": {"task_id": "t", "callbackType": stage, "data": [entry]}}


def test_a_mark_follows_what_the_latest_stage_announces_and_is_counted_once(ledger: Ledger) -> None:
    record(ledger, track(183.0, "first"))
    lease = take(ledger, "one")
    at(ledger, START).settle(lease.id, "one", "archived", facts={"seconds": 183.2})
    record(ledger, track(250.0, "complete"), now=START + 1)
    assert ledger.asset(lease.id)["notes"] == "short: 183.2 s of 250.0 s announced"
    record(ledger, track(99.0, "first"), now=START + 2)
    assert ledger.asset(lease.id)["announced_seconds"] == "250.0"
    record(ledger, track(184.0, "complete"), now=START + 3)
    assert "notes" not in ledger.asset(lease.id)
    version = snapshot(ledger, "t").version
    for body in (track(183.0, "first"), track(250.0, "complete"), track(184.0, "complete")):
        assert not record(ledger, body, now=START + 9).changed
    assert snapshot(ledger, "t").version == version
    assert ledger.counters()["short_audio||"] == 1


def test_a_whole_song_that_cannot_be_measured_is_not_marked_by_the_length_of_its_part(ledger: Ledger) -> None:
    record(ledger, track(6.0, "complete"))
    lease = take(ledger, "one")
    ledger.postpone(lease, "short", streak=1, until=START + 1, facts={"partial": "_partial/k", "seconds": 2.0})
    at(ledger, START + 1).make_ready(lease.id)
    again = take(ledger, "two", now=START + 2)
    assert (again.partial, again.seconds, again.final) == ("_partial/k", 2.0, False)
    at(ledger, START + 3).settle(again.id, "two", "archived")
    assert not {"notes", "seconds", "partial"} & ledger.asset(lease.id).keys()


def test_a_part_outlives_giving_up_and_a_new_url(ledger: Ledger) -> None:
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
    assert "partial" not in ledger.asset(lease.id)


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


def song_at(host: str, task_id: str) -> dict[str, Any]:
    return {
        "code": 200,
        "data": {"task_id": task_id, "vocal_removal_info": {"vocal_url": f"http://{host}/{task_id}.mp3"}},
    }


def test_a_host_that_has_its_share_is_passed_over_and_keeps_nobody_waiting(ledger: Ledger) -> None:
    for number in range(50):
        record(ledger, song_at("Slow.test:8080", f"slow{number}"))
    record(ledger, song_at("zippy.test", "fast"))
    first = take(ledger, "one")
    assert first.host == "slow.test:8080"
    lease = ledger.take(("urgent", "assets"), "two", passing_over=[first.host])
    assert lease
    assert lease.host == "zippy.test"
    assert ledger.take(("urgent", "assets"), "three", passing_over=[first.host]) is None
    assert ledger.ready() == {"urgent": 0, "assets": 49, "suspects": 0}
    assert ledger.in_flight() == 51


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@Host.test:8443/a?b=http://other",
        "http://host.test?x",
        "ftp://h",
        "not a url",
        "http://[::1]:80/x",
        "",
        "http://1.2.3.4/x",
        "http://1.2.3.4..:80/x",
        "http://host.test:/x",
        "http://a:1:2x/",
        "http://host.test:123456789/x",
        "http://" + "a@" * 1000 + "h.test",
        "http://" + "é" * 300 + "/x",
    ],
)
def test_redis_and_python_read_the_same_host_from_a_url(ledger: Ledger, redis: fakeredis.FakeRedis, url: str) -> None:
    lease = Lease(AssetId("t", "x"), "o", url, "k", DEADLINE, 1, "", 0)
    redis.hset(asset_key(lease.id), mapping={"state": "pending", "deadline": DEADLINE, "url": url})
    assert ledger.make_ready(lease.id) == "assets"
    assert redis.zrange(READY["assets"], 0, -1) == [lease.host]


def test_an_asset_whose_fresh_url_is_at_another_host_waits_there_alone(
    ledger: Ledger, redis: fakeredis.FakeRedis
) -> None:
    record(ledger, song_at("old.test", "t"))
    record(ledger, song_at("new.test", "t"), now=START + 1)
    assert redis.zrange(READY["assets"], 0, -1) == ["new.test"]
    assert ledger.ready()["assets"] == 1


def test_all_that_a_dead_process_held_is_taken_up_again_and_what_others_hold_is_not(ledger: Ledger) -> None:
    for number in range(3):
        record(ledger, song_at("h.test", f"t{number}"))
    held = {str(take(ledger, f"shift:{number}").id) for number in range(2)}
    take(ledger, "shift1:0")
    assert set(ledger.crashed("shift:")) == held
    assert ledger.crashed("shift:") == []


def test_of_several_over_which_processes_died_together_each_is_tried_alone_until_it_has_ended_one_attempt(
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
        owner = ledger.asset(alone["killer"].id)["owner"]
        assert ledger.crashed(owner) == [str(alone["killer"].id)]
        step = ledger.make_ready(alone["killer"].id)
        if step == "suspects":
            assert ledger.take(("suspects",), "again:0")
    assert step == "poison"


def test_a_suspect_that_expires_while_it_waits_is_due(ledger: Ledger) -> None:
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


def test_what_has_expired_waits_for_nobody_but_the_sweep(ledger: Ledger) -> None:
    record(ledger, song_at("h.test", "t"))
    assert ledger.ready(unexpired=True)["assets"] == 1
    later = at(ledger, DEADLINE + 1)
    assert (later.ready()["assets"], later.ready(unexpired=True)["assets"], later.in_flight()) == (1, 0, 1)


@pytest.mark.parametrize("host", ["." * 10**6 + "a", ":1" * 500_000 + "x", "@a" * 500_000, "a" * 10**6, "1" * 10**6])
def test_no_url_keeps_redis_for_long(host: str) -> None:
    """A real Redis does nothing else meanwhile."""
    with embedded_stack({}) as stack:
        stack.start_redis()
        ledger = Ledger(stack.redis())
        callback = parse_callback(song_at(host, "t"))
        named = [(asset, asset.key(KeyLayout()), time.time() + 1000) for asset in callback.assets]
        began = time.monotonic()
        ledger.record(callback, "{}", named, received_at=time.time())
        lease = ledger.take(("urgent", "assets"), "one")
        assert lease
        assert len(lease.host.encode()) < 300
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("host", ["slow.test", "SLOW.test", "slow.test:80", "slow.test.", "user@slow.test"])
def test_a_host_is_the_same_however_it_is_spelled(ledger: Ledger, host: str) -> None:
    record(ledger, song_at(host, "t"))
    assert ledger.take(("assets",), "one", passing_over=["slow.test"]) is None
    assert take(ledger, "two").host == "slow.test"
