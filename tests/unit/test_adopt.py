"""What an older version recorded in Redis is taken over, as that version wrote it."""

import json
from hashlib import sha256
from typing import Any

import fakeredis
import pytest

from tests.origin import Origin
from tests.unit.conftest import START, Clock, Sent
from tests.unit.story import GOOD, KEY, PATH, VIDEO, run, state, stored
from workers.adopt import adopt_older
from workers.ingest import ingest
from workers.vault import Vault

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


def test_what_nobody_holds_is_recorded_anew_and_archived(
    vault: Vault, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(vault)
    assert left(redis) == []
    run(vault, sent)
    assert stored(vault) == GOOD
    adopt_older(vault)
    assert origin.count(PATH) == 1


def test_what_is_archived_stays_so_and_its_manifest_is_written(
    vault: Vault, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    recorded_by_0_1(redis, body, ARCHIVED, still_open=0)
    redis.zadd("stemvault:alarms", {TASK: START})
    adopt_older(vault)
    assert left(redis) == []
    run(vault, sent)
    assert state(vault) == ("archived", None)
    assert origin.count(PATH) == 0
    manifest = json.loads(stored(vault, KEY.replace("video.mp4", "manifest.json")) or b"")
    assert (manifest["status"], manifest["assets"]["video"]["sha256"]) == ("archived", "cd" * 32)
    assert [entry["body"] for entry in manifest["callbacks"]] == [body]


def test_what_an_older_worker_holds_is_left_to_it_until_its_lease_ends(
    vault: Vault, redis: fakeredis.FakeRedis, clock: Clock, body: str
) -> None:
    recorded_by_0_1(redis, body, {**ASSET, "state": "transferring", "owner": "old", "lease": str(START + 60)})
    adopt_older(vault)
    assert not vault.ledger.knows(TASK)
    assert left(redis)
    clock.advance(61)
    adopt_older(vault)
    assert state(vault) == ("pending", None)
    assert left(redis) == []


def test_a_task_that_changes_meanwhile_is_adopted_once_more(
    vault: Vault, redis: fakeredis.FakeRedis, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_by_0_1(redis, body, ASSET)
    recalled = vault.ledger.recalled

    def then_changed(task_id: str) -> None:
        recalled(task_id)
        redis.hincrby(f"stemvault:task:{TASK}", "version", 1)

    monkeypatch.setattr(vault.ledger, "recalled", then_changed)
    adopt_older(vault)
    assert left(redis)
    monkeypatch.undo()
    adopt_older(vault)
    assert left(redis) == []


def test_a_part_of_a_song_that_is_kept_stays_known(vault: Vault, redis: fakeredis.FakeRedis, body: str) -> None:
    recorded_by_0_1(redis, body, {**ASSET, "partial": "_partial/k", "seconds": "12.5"})
    adopt_older(vault)
    assert {"partial": "_partial/k", "seconds": "12.5"}.items() <= vault.ledger.asset(VIDEO).items()


def test_a_task_that_both_versions_know_keeps_what_the_newer_one_has(
    vault: Vault, redis: fakeredis.FakeRedis, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(vault, body, START)
    run(vault, sent)
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(vault)
    run(vault, sent)
    assert (state(vault), left(redis), origin.count(PATH)) == (("archived", None), [], 1)


def test_one_record_that_cannot_be_read_keeps_no_other_waiting(
    vault: Vault, redis: fakeredis.FakeRedis, body: str
) -> None:
    redis.zadd("stemvault:alarms", {"broken/video": START - 1})
    redis.hset("stemvault:task:broken", mapping={"version": "1"})
    redis.hset("stemvault:task:broken:callbacks", "ab", "no JSON")
    recorded_by_0_1(redis, body, ASSET)
    adopt_older(vault)
    assert state(vault) == ("pending", None)
