"""Callbacks in the ledger: their records, forged callbacks, bounds, and callbacks that are kept for people."""

import hashlib
import json

import pytest
from structlog.testing import capture_logs

from tests.conftest import MakeSettings, Payload
from tests.origin import Origin, film
from tests.unit.conftest import Clock, Sent
from tests.unit.reading import PART
from tests.unit.story import GOOD, PATH, VIDEO, run, state, stored
from workers.callbacks import MAX_ASSETS
from workers.context import WorkerContext
from workers.ingest import ingest, ingest_next
from workers.ledger.tasks import MAX_CALLBACKS, MAX_TASK_ASSETS


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


def test_odd_letters_in_a_failure_do_not_keep_its_callback_from_being_recorded(
    context: WorkerContext, clock: Clock
) -> None:
    context.received.put('{"code": 501, "taskId": "t", "msg": "caf\\ud83d", "data": {"state": "fail"}}', clock())
    ingest_next(context)
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert snapshot.task.message == "caf?"


@pytest.mark.slow
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
    # Without the records in Redis and the manifest, the condition of the write still protects the object.
    context.ledger.redis.flushall()
    context.store.delete(context.settings.layout.manifest_key(VIDEO.task_id))
    ingest(context, body.replace(PATH, "/forged1.mp4"), clock())
    run(context, sent)
    assert state(context) == ("archived", None)
    assert stored(context) == GOOD


@pytest.mark.slow
def test_endless_different_bodies_for_one_task_do_not_grow_its_record_and_their_files_are_stored_all_the_same(
    context: WorkerContext, clock: Clock, body: str
) -> None:
    for number in range(MAX_CALLBACKS + 3):
        ingest(context, body.replace(PATH, f"/{number}.mp4"), clock())
    snapshot = context.ledger.snapshot(VIDEO.task_id)
    assert snapshot
    assert len(snapshot.callbacks) == MAX_CALLBACKS
    assert (snapshot.assets["video"].url or "").endswith(f"/{MAX_CALLBACKS + 2}.mp4")
    assert len(context.store.list("_unrecognized/", limit=10)) == 3
    ingest(context, body.replace(PATH, "/0.mp4"), clock())  # a repeat is not counted
    assert len(context.store.list("_unrecognized/", limit=10)) == 3


@pytest.mark.slow
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
    task = snapshot.task
    assert (task.stage, task.code, task.message, task.fail_code) == ("error", 501, "why", "7")
    ingest(context, json.dumps({"code": 200, "taskId": "t", "data": {"state": "success", "resultJson": "{}"}}), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    task = snapshot.task
    assert (task.stage, task.code, task.message, task.fail_code) == ("complete", 200, None, None)


def test_an_address_of_the_ingress_itself_is_not_fetched(
    context: WorkerContext, clock: Clock, make_settings: MakeSettings
) -> None:
    own = WorkerContext(**{**vars(context), "settings": make_settings(PUBLIC_URL="https://Hooks.example:8443/in")})
    data = {"resultUrl": "https://hooks.example:8443/callbacks/x", "fileUrl": "https://files.example/x"}
    ingest(own, json.dumps({"code": 200, "taskId": "t", "data": data}), clock())
    snapshot = context.ledger.snapshot("t")
    assert snapshot
    assert set(snapshot.assets) == {"file"}
