"""Records of an older version are adopted, in the form in which that version wrote them."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest

from tests.origin import Origin
from tests.unit.conftest import START, Clock, Sent
from tests.unit.story import GOOD, KEY, PATH, VIDEO, run, state, stored
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import ingest, ingest_next
from workers.intake.fullness import SWEEP_FORGETS
from workers.ledger.storage.keys import asset_key, lock_key, task_key
from workers.recording.adopt import adopt_older, forget_older
from workers.recording.record import read_callback, record_callback

TASK = VIDEO.task_id
Fields = dict[Any, Any]

ASSET: Fields = {
    "state": "pending",
    "attempts": "1",
    "recorded_at": "1.5",
    "key": KEY,
    "media": "video",
    "deadline": "9e9",
}
ARCHIVED: Fields = {
    **ASSET,
    "state": "archived",
    "size": "7",
    "sha256": "cd" * 32,
    "settled_at": "2.5",
    "url": "http://old.test/x",
}
COMPLETE: Fields = {
    "family": "video",
    "stage": "complete",
    "rank": "3",
    "code": "200",
    "meaning": "success",
    "version": "1",
    "first_at": "1.5",
}


def recorded_by_0_1(redis: fakeredis.FakeRedis, body: str, asset: Fields, *, still_open: int = 1) -> None:
    received = json.dumps({"received_at": START, "body": body})
    url: Fields = {"url": json.loads(body)["data"]["video_url"]}
    redis.hset(f"stemvault:task:{TASK}", mapping={**COMPLETE, "open": str(still_open)})
    redis.hset(f"stemvault:task:{TASK}:callbacks", sha256(body.encode()).hexdigest(), received)
    redis.sadd(f"stemvault:task:{TASK}:assets", "video")
    redis.hset(f"stemvault:asset:{VIDEO}", mapping={**url, **asset})
    redis.zadd("stemvault:alarms", {str(VIDEO): START})
    redis.zadd("stemvault:ready:assets", {str(VIDEO): 9e9})


def left(redis: fakeredis.FakeRedis) -> list[str]:
    shared = {"stemvault:counters", "stemvault:received"}
    return [key for key in redis.scan_iter("stemvault:*") if not key.startswith("stemvault:2:") and key not in shared]


@pytest.mark.slow
def test_an_older_asset_without_a_lease_is_adopted_and_archived_once(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(context)
    assert left(redis) == []
    run(context, sent)
    assert stored(context) == GOOD
    adopt_older(context)
    assert origin.count(PATH) == 1


def test_an_older_archived_asset_is_not_fetched_again_and_its_manifest_is_written(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    recorded_by_0_1(redis, body, ARCHIVED, still_open=0)
    redis.zadd("stemvault:alarms", {TASK: START})
    adopt_older(context)
    assert left(redis) == []
    sweep(context)
    run(context, sent)
    assert state(context) == ("archived", None)
    assert origin.count(PATH) == 0
    manifest = json.loads(stored(context, KEY.replace("video.mp4", "manifest.json")) or b"")
    assert (manifest["status"], manifest["assets"]["video"]["sha256"]) == ("archived", "cd" * 32)
    assert [entry["body"] for entry in manifest["callbacks"]] == [body]


def test_a_task_that_an_older_worker_holds_is_adopted_after_its_lease_ends(
    context: WorkerContext, redis: fakeredis.FakeRedis, clock: Clock, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ASSET, "state": "transferring", "owner": "old", "lease": str(START + 60)})
    adopt_older(context)
    assert not context.ledger.knows(TASK)
    assert left(redis)
    clock.advance(61)
    adopt_older(context)
    assert state(context) == ("pending", None)
    assert left(redis) == []


def test_a_task_that_changes_meanwhile_is_adopted_once_more(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_by_0_1(redis, body, ASSET)
    recalled = context.ledger.recalled

    def then_changed(task_id: str) -> None:
        recalled(task_id)
        redis.hincrby(f"stemvault:task:{TASK}", "version", 1)

    with monkeypatch.context() as patch:
        patch.setattr(context.ledger, "recalled", then_changed)
        adopt_older(context)
    assert left(redis)
    adopt_older(context)
    assert left(redis) == []


def test_a_part_of_a_song_that_is_kept_stays_known(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ASSET, "partial": "_partial/k", "seconds": "12.5"})
    adopt_older(context)
    record = context.ledger.asset(VIDEO)
    assert (record.partial, record.seconds) == ("_partial/k", 12.5)


@pytest.mark.slow
def test_a_task_that_both_versions_know_keeps_what_the_newer_one_has(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, START)
    run(context, sent)
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(context)
    run(context, sent)
    assert (state(context), left(redis), origin.count(PATH)) == (("archived", None), [], 1)


def test_one_record_that_cannot_be_read_keeps_no_other_waiting(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str
) -> None:
    redis.zadd("stemvault:alarms", {"broken/video": START - 1})
    redis.hset("stemvault:task:broken", mapping={"version": "1"})
    redis.hset("stemvault:task:broken:callbacks", "ab", "no JSON")
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(context)
    assert state(context) == ("pending", None)


def test_the_latest_url_is_adopted_and_a_repeat_of_it_changes_nothing(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str
) -> None:
    fresh = json.dumps(json.loads(body.replace(".mp4", ".mp4?fresh=1")))
    recorded_by_0_1(redis, body, {**ASSET, "url": json.loads(fresh)["data"]["video_url"]})
    received = json.dumps({"received_at": START + 60, "body": fresh})
    redis.hset(f"stemvault:task:{TASK}:callbacks", sha256(fresh.encode()).hexdigest(), received)
    adopt_older(context)
    assert context.ledger.asset(VIDEO).url == json.loads(fresh)["data"]["video_url"]
    ingest(context, body, START + 90)
    assert context.ledger.asset(VIDEO).url == json.loads(fresh)["data"]["video_url"]


def test_an_older_rejected_asset_stays_rejected_after_its_adoption(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ARCHIVED, "state": "rejected", "error": "gone"}, still_open=0)
    adopt_older(context)
    assert state(context) == ("rejected", "gone")


def test_a_manifest_that_could_not_be_written_before_is_written_when_the_bucket_is_back(
    context: WorkerContext, redis: fakeredis.FakeRedis, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_by_0_1(redis, body, ARCHIVED, still_open=0)
    away = TransientError("store_unavailable", "away")
    with monkeypatch.context() as patch:
        patch.setattr(context.store, "write_json", Mock(side_effect=away))
        adopt_older(context)
        sweep(context)
        while not context.ledger.forget_settled(count=1000):
            pass
    assert context.ledger.knows(TASK), "what has no manifest must not be forgotten"
    redis.delete(lock_key(TASK))  # which expires by the clock of fakeredis, and not by the test's
    clock.advance(20)
    sweep(context)
    assert stored(context, KEY.replace("video.mp4", "manifest.json"))


def test_an_asset_that_only_the_manifest_holds_stays_archived_after_an_adoption(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, START)
    run(context, sent)
    context.ledger.redis.delete(task_key(TASK), asset_key(VIDEO))
    recorded_by_0_1(redis, body, ASSET)
    redis.delete(f"stemvault:asset:{VIDEO}")
    adopt_older(context)
    assert state(context) == ("archived", None)


def test_older_settled_tasks_make_room_as_well_and_no_other(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str
) -> None:
    full = replace(context, fullness=lambda: SWEEP_FORGETS)
    recorded_by_0_1(redis, body, ASSET)
    forget_older(full)
    assert redis.exists(f"stemvault:task:{TASK}")
    redis.expire(f"stemvault:task:{TASK}", 100)
    forget_older(context)
    assert redis.exists(f"stemvault:task:{TASK}")
    forget_older(full)
    assert not list(redis.scan_iter(f"stemvault:*:{TASK}*"))


def test_a_callback_of_a_task_that_only_the_older_version_knows_has_it_adopted_first(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ARCHIVED, "url": json.loads(body)["data"]["video_url"]}, still_open=0)
    ingest(context, body, START + 10)
    run(context, sent)
    assert (state(context), left(redis), origin.count(PATH)) == (("archived", None), [], 0)


def test_a_callback_waits_while_an_older_worker_holds_its_task(
    context: WorkerContext, redis: fakeredis.FakeRedis, clock: Clock, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ASSET, "state": "transferring", "owner": "old", "lease": str(START + 60)})
    context.received.put(body, START)
    assert ingest_next(context)
    assert (context.received.waiting(), context.ledger.knows(TASK)) == (1, False)
    clock.advance(61)
    assert ingest_next(context)
    assert (context.received.waiting(), state(context)) == (0, ("pending", None))


def test_an_asset_that_an_older_worker_archived_is_archived_in_the_new_record(
    context: WorkerContext, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    ingest(context, body, START)
    recorded_by_0_1(redis, body, ARCHIVED, still_open=0)
    adopt_older(context)
    assert state(context) == ("archived", None)
    assert not context.ledger.ready()["assets"]
    sweep(context)
    run(context, sent)
    assert origin.count(PATH) == 0
    assert stored(context, KEY.replace("video.mp4", "manifest.json"))


def test_a_fresh_url_that_comes_during_an_adoption_revives_what_was_given_up(
    context: WorkerContext, redis: fakeredis.FakeRedis, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_by_0_1(redis, body, {**ARCHIVED, "state": "rejected", "error": "gone"}, still_open=0)
    fresh = json.dumps(json.loads(body.replace(".mp4", ".mp4?fresh=1")))
    recalled = context.ledger.recalled

    def meanwhile(task_id: str) -> None:
        callback = read_callback(context, fresh)
        record_callback(context, callback, fresh, START + 90)
        recalled(task_id)

    with monkeypatch.context() as patch:
        patch.setattr(context.ledger, "recalled", meanwhile)
        adopt_older(context)
    assert state(context)[0] == "pending"
    assert context.ledger.asset(VIDEO).url == json.loads(fresh)["data"]["video_url"]
