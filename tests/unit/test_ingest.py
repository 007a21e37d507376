"""The story of a callback from its taking to its record, told in this process."""

import hashlib
import json
from typing import Any, NoReturn

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.conftest import MakeSettings, Payload, eventually
from tests.origin import Origin, film, picture, song
from tests.unit.conftest import START, Clock, Sent
from tests.unit.story import GOOD, PART, PATH, VIDEO, run, state, stored
from workers.callbacks import MAX_ASSETS, Callback, parse_callback
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import MAX_TRIES, MAX_WAIT, ingest, ingest_next
from workers.intake.received import LEASE as INGEST_LEASE
from workers.intake.received import ReceivedCallbacks
from workers.ledger.tasks import MAX_CALLBACKS, MAX_TASK_ASSETS
from workers.sweep import sweep


def test_a_repeat_after_redis_has_forgotten_downloads_nothing_and_the_manifest_keeps_all(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    complete = payload("music_complete", origin.url)
    for track in complete["data"]["data"]:
        for name, url in track.items():
            if name.endswith("_url"):
                path = url.removeprefix(origin.url)
                origin.serve(path, picture(path) if "image" in name else song(path, 98))
    ingest(context, json.dumps(complete), clock())
    run(context, sent)
    key = f"{complete['data']['task_id']}/{complete['data']['task_id']}_manifest.json"
    before = json.loads(stored(context, key) or b"")
    asked = len(origin.requests)
    context.ledger.redis.flushall()
    for repeat in (json.dumps(complete), json.dumps(payload("music_first", origin.url))):
        ingest(context, repeat, clock())
        run(context, sent)
    after = json.loads(stored(context, key) or b"")
    assert len(origin.requests) == asked
    assert after["assets"] == before["assets"]
    assert [json.loads(entry["body"])["data"]["callbackType"] for entry in after["callbacks"]] == ["complete", "first"]


def test_a_failed_task_is_recorded_with_its_meaning_and_downloads_nothing(
    context: WorkerContext, clock: Clock, sent: Sent, payload: Payload
) -> None:
    body = payload("music_error_531")
    ingest(context, json.dumps(body), clock())
    assert sent.take() == []
    task_id = body["data"]["task_id"]
    manifest = json.loads(stored(context, f"{task_id}/{task_id}_manifest.json") or b"")
    assert (manifest["status"], manifest["code"]) == ("failed", 531)
    assert "credits refunded" in manifest["meaning"]


def test_a_callback_of_unknown_shape_is_kept_whole(context: WorkerContext, clock: Clock) -> None:
    body = '{"code": 200, "data": {"task_id": "t", "hologram": "夜航 \\ud83d"}}'
    ingest(context, body, clock())
    name = hashlib.sha256(body.encode()).hexdigest()
    assert stored(context, f"_unrecognized/{name}.json") == body.encode()
    assert context.ledger.counters()["callbacks|unrecognized|"] == 1


@pytest.mark.parametrize(
    ("body", "task_id"),
    [
        ('{"code": 200, "data": {"task_id": "t-1", "hologram": 1}}', "t-1"),
        ('{"code": 200, "data": {"hologram": 1}}', None),
        ("no JSON", None),
    ],
)
def test_the_log_names_the_task_of_a_callback_that_is_kept_for_people_where_it_can(
    context: WorkerContext, clock: Clock, body: str, task_id: str | None
) -> None:
    with capture_logs() as logs:
        ingest(context, body, clock())
    (kept,) = [entry for entry in logs if entry["event"] == "callback_kept_for_people"]
    assert kept["task_id"] == task_id


def test_a_callback_that_keeps_crashing_its_worker_is_set_aside_with_the_reason(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock())
    for _ in range(MAX_TRIES):
        assert context.received.take()  # and the process dies
        clock.advance(INGEST_LEASE + 1)
    ingest_next(context)
    assert context.ledger.snapshot(VIDEO.task_id) is None
    key = f"_unrecognized/{hashlib.sha256(body.encode()).hexdigest()}.json"
    assert stored(context, key) == body.encode()
    assert "crashing" in context.store.client.head_object(Bucket="vault", Key=key)["Metadata"]["why"]
    assert context.received.waiting() == 0


@pytest.mark.parametrize("outage", [TransientError("store_unavailable"), RedisConnectionError(), RuntimeError()])
def test_a_callback_that_cannot_be_recorded_in_an_outage_is_recorded_later_however_long_that_takes(
    context: WorkerContext, clock: Clock, sent: Sent, body: str, monkeypatch: pytest.MonkeyPatch, outage: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise outage

    context.received.put(body, clock())
    with monkeypatch.context() as patch:
        patch.setattr("workers.ingest.recall", fail)
        for _ in range(2 * MAX_TRIES):
            ingest_next(context)
            assert context.received.due() == 0
            clock.advance(MAX_WAIT)
    sweep(context)
    assert sent.take() == ["callbacks"]
    ingest_next(context)
    assert context.ledger.snapshot(VIDEO.task_id)
    assert context.received.waiting() == 0


def test_a_callback_that_fails_by_itself_is_no_immortal_and_others_are_recorded_meanwhile(
    context: WorkerContext, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = parse_callback

    def fail_for_one(payload: dict[str, Any], **options: Any) -> Callback:
        if payload.get("bad"):
            raise OverflowError
        return parse(payload, **options)

    monkeypatch.setattr("workers.recording.record.parse_callback", fail_for_one)
    bad = '{"bad": 1, "taskId": "t"}'
    context.received.put(bad, clock())
    context.received.put(body, clock())
    for _ in range(MAX_TRIES + 1):
        while ingest_next(context):
            pass
        clock.advance(MAX_WAIT)
    assert context.ledger.snapshot(VIDEO.task_id)
    assert context.received.waiting() == 0
    assert stored(context, f"_unrecognized/{hashlib.sha256(bad.encode()).hexdigest()}.json") == bad.encode()


def test_odd_letters_in_a_failure_do_not_keep_its_callback_from_being_recorded(
    context: WorkerContext, clock: Clock
) -> None:
    context.received.put('{"code": 501, "taskId": "t", "msg": "caf\\ud83d", "data": {"state": "fail"}}', clock())
    ingest_next(context)
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert snapshot.task["message"] == "caf?"


def test_a_callback_that_one_worker_holds_is_not_taken_by_another_until_its_time_is_over(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock())
    assert context.received.take()
    clock.advance(INGEST_LEASE - 1)
    assert context.received.take() is None
    clock.advance(2)
    again = context.received.take()
    assert again
    assert (again.body, again.received_at, again.tries) == (body, START, 2)


def test_an_ingress_whose_clock_is_ahead_delays_nothing_and_gives_no_asset_more_time(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    context.received.put(body, clock() + 90)
    taken = context.received.take()
    assert taken
    assert taken.received_at == clock()


def test_what_comes_straight_from_an_ingress_arrives_by_the_clock_of_redis(
    context: WorkerContext, clock: Clock
) -> None:
    context.received.put_all([("first", None)])
    clock.advance(60)
    context.received.put_all([("second", None)])
    taken = [context.received.take(), context.received.take()]
    assert [(each.body, each.received_at) for each in taken if each] == [("first", START), ("second", START + 60)]


def test_callbacks_that_come_together_keep_their_order(context: WorkerContext) -> None:
    context.received.put_all([(f"{number}", None) for number in range(50)])
    taken = [context.received.take() for _ in range(50)]
    assert [each.body for each in taken if each] == [f"{number}" for number in range(50)]


def test_a_task_that_is_forgotten_while_it_is_ingested_is_read_from_its_manifest_first(
    context: WorkerContext, sent: Sent, clock: Clock, body: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    knows = context.ledger.knows

    def then_forgotten(task_id: str) -> bool:
        known = knows(task_id)
        while not context.ledger.forget_settled(count=1000):
            pass
        return known

    again = json.dumps({**json.loads(body), "msg": "again"})
    with monkeypatch.context() as patch:
        patch.setattr(context.ledger, "knows", then_forgotten)
        with pytest.raises(TransientError, match="forgotten"):
            ingest(context, again, clock())
    ingest(context, again, clock())
    snapshot = context.ledger.snapshot(VIDEO.task_id)
    assert snapshot
    assert snapshot.assets["video"]["state"] == "archived"
    assert len(snapshot.callbacks) == 2


def test_a_callback_stays_with_the_worker_that_waits_for_the_bucket(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    received = ReceivedCallbacks(context.ledger.redis, lease=0.1)
    received.put(body, clock())
    taken = received.take()
    assert taken
    with received.held(taken):
        clock.advance(60)
        eventually(lambda: received.due() == 0)
        assert received.take() is None


def test_forged_callbacks_change_nothing_that_is_archived(
    context: WorkerContext, sent: Sent, clock: Clock, body: str, origin: Origin
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    for number in range(2):
        origin.serve(f"/forged{number}.mp4", film(PART // 8))
        ingest(context, body.replace(PATH, f"/forged{number}.mp4"), clock())
        run(context, sent)
        assert origin.count(f"/forged{number}.mp4") == 0
    # Nor where Redis and the manifest have both forgotten: the write's own condition holds.
    context.ledger.redis.flushall()
    context.store.delete(context.settings.layout.manifest_key(VIDEO.task_id))
    ingest(context, body.replace(PATH, "/forged1.mp4"), clock())
    run(context, sent)
    assert state(context) == ("archived", None)
    assert stored(context) == GOOD


def test_endless_different_bodies_for_one_task_do_not_grow_its_record_and_their_files_are_stored_all_the_same(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    for number in range(MAX_CALLBACKS + 3):
        ingest(context, body.replace(PATH, f"/{number}.mp4"), clock())
    snapshot = context.ledger.snapshot(VIDEO.task_id)
    assert snapshot
    assert len(snapshot.callbacks) == MAX_CALLBACKS
    assert snapshot.assets["video"]["url"].endswith(f"/{MAX_CALLBACKS + 2}.mp4")
    assert len(context.store.list("_unrecognized/", limit=10)) == 3
    ingest(context, body.replace(PATH, "/0.mp4"), clock())  # a repeat is none too many
    assert len(context.store.list("_unrecognized/", limit=10)) == 3


def test_a_task_has_no_more_files_than_its_record_may_hold_and_the_surplus_is_told(
    context: WorkerContext, clock: Clock
) -> None:
    for batch in range(MAX_TASK_ASSETS // MAX_ASSETS + 1):
        urls = [f"http://origin.test/{batch}/{number}.mp3" for number in range(MAX_ASSETS)]
        ingest(context, json.dumps({"code": 200, "taskId": "t", f"batch{batch}": urls}), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert len(snapshot.assets) == snapshot.open == sum(context.ledger.ready().values()) == MAX_TASK_ASSETS
    kept = context.store.list("_unrecognized/", limit=10)
    assert [context.store.metadata(key)["why"] for key in kept] == [
        f"its task's record is full: {MAX_ASSETS} of its files are not stored"
    ]


def test_a_later_callback_tells_what_a_failure_said_and_a_success_says_nothing(
    context: WorkerContext, clock: Clock
) -> None:
    failed = {"code": 501, "msg": "sorry", "taskId": "t", "data": {"state": "fail", "failCode": "7", "failMsg": "why"}}
    ingest(context, json.dumps(failed), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert {name: snapshot.task[name] for name in ("stage", "code", "message", "fail_code")} == {
        "stage": "error", "code": "501", "message": "why", "fail_code": "7",
    }  # fmt: skip
    ingest(context, json.dumps({"code": 200, "taskId": "t", "data": {"state": "success", "resultJson": "{}"}}), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert (snapshot.task["stage"], snapshot.task["code"]) == ("complete", "200")
    assert not {"message", "fail_code"} & snapshot.task.keys()


def test_an_address_of_the_ingress_itself_is_not_fetched(
    context: WorkerContext, clock: Clock, make_settings: MakeSettings
) -> None:
    own = WorkerContext(**{**vars(context), "settings": make_settings(PUBLIC_URL="https://Hooks.example:8443/in")})
    data = {"resultUrl": "https://hooks.example:8443/callbacks/x", "fileUrl": "https://files.example/x"}
    ingest(own, json.dumps({"code": 200, "taskId": "t", "data": data}), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert set(snapshot.assets) == {"file"}
