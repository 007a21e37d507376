import json
from typing import Any

import fakeredis
import pytest

from config.layout import KeyLayout
from tests.conftest import Payload
from tests.unit.conftest import START
from workers.assets import AssetId
from workers.callback import parse_callback
from workers.errors import LeaseLostError
from workers.ledger import ALARMS, GRACE, LEASE, Ledger
from workers.records import Lease, Recorded, TaskSnapshot

DEADLINE = START + 1_000_000
VIDEO = AssetId("taskId_c20ad4d76fe9", "video")


def record(ledger: Ledger, body: dict[str, Any], *, now: float = START) -> Recorded:
    callback = parse_callback(body)
    named = [(asset, asset.key(KeyLayout()), DEADLINE) for asset in callback.assets]
    return ledger.record(callback, json.dumps(body), named, received_at=now, now=now)


def claim(ledger: Ledger, asset: AssetId, owner: str, *, now: float = START) -> Lease:
    lease = ledger.claim(asset, owner, now=now)
    assert isinstance(lease, Lease), lease
    return lease


def snapshot(ledger: Ledger, task_id: str) -> TaskSnapshot:
    found = ledger.snapshot(task_id)
    assert found
    return found


def test_the_stages_of_a_task_and_their_repeats_send_each_asset_once(ledger: Ledger, payload: Payload) -> None:
    stages = ["music_text", "music_first", "music_complete", "music_complete", "music_first", "music_text"]
    sent = [len(record(ledger, payload(name)).to_send) for name in stages]
    assert sent == [0, 6, 6, 0, 0, 0]


def test_a_repeat_of_the_same_body_changes_nothing(ledger: Ledger, payload: Payload) -> None:
    assert record(ledger, payload("music_complete")).changed
    before = snapshot(ledger, payload("music_complete")["data"]["task_id"])
    assert not record(ledger, payload("music_complete"), now=START + 5).changed
    assert snapshot(ledger, before.task_id) == before


def test_a_late_first_does_not_take_a_complete_back(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("music_complete"))
    record(ledger, payload("music_first"))
    assert snapshot(ledger, payload("music_first")["data"]["task_id"]).task["stage"] == "complete"


def test_an_asset_is_claimed_by_one_owner_at_a_time(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    claim(ledger, VIDEO, "one")
    assert ledger.claim(VIDEO, "two", now=START + LEASE - 1) == "held"
    assert claim(ledger, VIDEO, "two", now=START + LEASE + 1).attempts == 2


def test_who_has_lost_the_lease_can_change_nothing_any_more(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    lost = claim(ledger, VIDEO, "one")
    kept = claim(ledger, VIDEO, "two", now=START + LEASE + 1)
    before = ledger.asset(VIDEO)
    with pytest.raises(LeaseLostError):
        ledger.heartbeat(lost, now=START + LEASE + 2)
    with pytest.raises(LeaseLostError):
        ledger.postpone(lost, "stalled", streak=1, until=START)
    with pytest.raises(LeaseLostError):
        ledger.settle(VIDEO, lost.owner, "archived", now=START)
    with pytest.raises(LeaseLostError):
        ledger.settle(VIDEO, "", "expired", now=START)
    assert ledger.asset(VIDEO) == before
    assert ledger.settle(VIDEO, kept.owner, "archived", now=START) == 0


def test_a_heartbeat_moves_the_lease_and_the_alarm(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = claim(ledger, VIDEO, "one")
    ledger.heartbeat(lease, now=START + 30)
    assert ledger.claim(VIDEO, "two", now=START + LEASE + 1) == "held"
    assert redis.zscore(ALARMS, str(VIDEO)) == START + 30 + LEASE


def test_each_asset_has_exactly_one_alarm_until_it_is_settled(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    assert redis.zscore(ALARMS, str(VIDEO)) == START + GRACE
    lease = claim(ledger, VIDEO, "one")
    assert redis.zscore(ALARMS, str(VIDEO)) == START + LEASE
    ledger.postpone(lease, "stalled", streak=1, until=START + 500)
    assert redis.zscore(ALARMS, str(VIDEO)) == START + 500
    lease = claim(ledger, VIDEO, "two", now=START + 500)
    ledger.settle(VIDEO, lease.owner, "archived", now=START + 501)
    assert redis.zscore(ALARMS, str(VIDEO)) is None
    assert redis.zrange(ALARMS, 0, -1) == [VIDEO.task_id]  # the manifest's


def test_an_asset_in_its_backoff_is_not_claimed_by_a_stray_message(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    ledger.postpone(claim(ledger, VIDEO, "one"), "rate_limited", streak=1, until=START + 500)
    assert ledger.claim(VIDEO, "two", now=START + 499) == "waiting"
    lease = claim(ledger, VIDEO, "two", now=START + 500)
    assert (lease.last_reason, lease.streak) == ("rate_limited", 1)


@pytest.mark.parametrize("state", ["archived", "rejected", "expired"])
def test_a_settled_asset_is_never_claimed_again(ledger: Ledger, payload: Payload, state: str) -> None:
    record(ledger, payload("video"))
    ledger.settle(VIDEO, claim(ledger, VIDEO, "one").owner, state, now=START)
    assert ledger.claim(VIDEO, "two", now=START + 10 * LEASE) == state
    assert ledger.claim(AssetId("nobody", "knows"), "two", now=START) == "unknown"


def with_url(body: dict[str, Any], url: str) -> dict[str, Any]:
    return {**body, "data": {**body["data"], "video_url": url}}


def test_a_later_callback_refreshes_the_url_of_what_is_not_archived_and_has_it_tried_at_once(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    ledger.postpone(claim(ledger, VIDEO, "one"), "gone", streak=3, until=START + 5000)
    refreshed = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"), now=START + 10)
    assert [waiting.id for waiting in refreshed.to_send] == [VIDEO]
    lease = claim(ledger, VIDEO, "two", now=START + 11)
    assert (lease.url, lease.streak) == ("http://origin.test/fresh.mp4", 0)


def test_a_later_callback_revives_what_was_rejected_but_only_with_another_url(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    ledger.settle(VIDEO, claim(ledger, VIDEO, "one").owner, "rejected", reason="gone", now=START)
    assert record(ledger, payload("video")).to_send == []
    revived = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"))
    assert [waiting.id for waiting in revived.to_send] == [VIDEO]
    assert revived.open == 1


def test_a_later_callback_never_touches_what_is_archived(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    ledger.settle(VIDEO, claim(ledger, VIDEO, "one").owner, "archived", now=START, facts={"sha256": "abc"})
    before = ledger.asset(VIDEO)
    assert record(ledger, with_url(payload("video"), "http://evil.test/other.mp4")).to_send == []
    assert ledger.asset(VIDEO) == before


def test_a_due_alarm_rings_for_one_of_two_clocks(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    assert ledger.due(now=START + GRACE - 1, limit=10) == []
    assert ledger.due(now=START + GRACE + 1, limit=10) == [str(VIDEO)]
    assert ledger.due(now=START + GRACE + 1, limit=10) == []
    assert ledger.due(now=START + 2 * GRACE + 2, limit=10) == [str(VIDEO)]  # its taker died


def test_sending_late_does_not_move_the_alarm_of_what_has_moved_on(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    (waiting,) = record(ledger, payload("video")).to_send
    ledger.postpone(claim(ledger, VIDEO, "quick"), "stalled", streak=1, until=START + 5)
    ledger.sent([(waiting, START + 3600)])
    assert redis.zscore(ALARMS, str(VIDEO)) == START + 5


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
    assert redis.zscore(ALARMS, task_id) is not None
    assert ledger.lock_manifest(task_id, "one")
    assert ledger.manifest_written(snapshot(ledger, task_id), "one", remember=100)
    assert redis.zscore(ALARMS, task_id) is None


def test_redis_forgets_a_settled_task_in_time_and_keeps_one_in_flight(
    ledger: Ledger, redis: fakeredis.FakeRedis, payload: Payload
) -> None:
    record(ledger, payload("video"))
    ledger.manifest_written(snapshot(ledger, VIDEO.task_id), "one", remember=100)
    task_keys = [key for key in redis.scan_iter() if VIDEO.task_id in key]
    assert [redis.ttl(key) for key in task_keys] == [-1] * 4
    ledger.settle(VIDEO, claim(ledger, VIDEO, "one").owner, "archived", now=START)
    ledger.manifest_written(snapshot(ledger, VIDEO.task_id), "one", remember=100)
    assert [redis.ttl(key) for key in task_keys] == [100] * 4
    record(ledger, with_url(payload("video"), "http://origin.test/again.mp4"))
    assert [redis.ttl(key) for key in task_keys] == [-1] * 4
