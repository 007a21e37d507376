"""Settled tasks are forgotten once their manifest is written. Revived ones are kept."""

import fakeredis

from tests.conftest import Payload
from tests.unit.conftest import START, at
from tests.unit.ledger.steps import DEADLINE, VIDEO, record, snapshot, take, with_url
from workers.callbacks.assets import AssetId
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import FORMAT, FORMATS, TIMERS, asset_key


def test_an_outdated_manifest_does_not_end_the_timer_of_its_task(
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


def test_a_task_is_settled_when_its_files_are_and_its_manifest_is_written(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    assert ledger.settled([VIDEO.task_id, "unknown"]) == [False, True]
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "archived")
    assert ledger.settled([VIDEO.task_id]) == [False]
    ledger.manifest_written(snapshot(ledger, VIDEO.task_id), "one", remember=100)
    assert ledger.settled(["unknown", VIDEO.task_id]) == [True, True]


def test_an_asset_that_is_active_again_keeps_all_records_of_its_task_from_expiring(
    ledger: Ledger, payload: Payload
) -> None:
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
        # Settled again, so that the next manifest makes all records expire.
        while lease := at(ledger, START).take(("assets",), "one"):
            at(ledger, START).settle(lease.id, "one", "archived")


def test_a_newer_format_on_the_same_redis_is_noticed(ledger: Ledger, redis: fakeredis.FakeRedis) -> None:
    assert ledger.newest_format() == FORMAT
    redis.sadd(FORMATS, FORMAT + 1)
    assert ledger.newest_format() == FORMAT + 1
