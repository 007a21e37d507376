"""The outcome of an attempt: postponed, handed back, or given up."""

import json

import pytest

from tests.origin import Answer, Origin
from tests.unit.conftest import Clock, Sent
from tests.unit.story import GOOD, PATH, run, state, stored
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.sweep import sweep


def test_a_source_is_not_asked_again_before_its_retry_after_has_passed(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=429, headers={"Retry-After": "600"}), GOOD)
    ingest(context, body, clock())
    run(context, sent)
    clock.advance(599)
    sweep(context)
    assert sent.take() == []
    clock.advance(2)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def test_a_file_that_is_gone_for_an_hour_is_rejected_and_the_manifest_says_why(
    context: WorkerContext, clock: Clock, sent: Sent, body: str
) -> None:
    started = clock()
    ingest(context, body, clock())
    while state(context)[0] != "rejected":
        run(context, sent)
        clock.advance(60)
        sweep(context)
        assert clock() < started + 2 * 3600
    assert clock() > started + 3600
    manifest = json.loads(stored(context, "taskId_c20ad4d76fe9/taskId_c20ad4d76fe9_manifest.json") or b"")
    assert (manifest["status"], manifest["assets"]["video"]["error"]) == ("incomplete", "gone")


def test_an_attempt_that_crashes_is_recorded_and_tried_again(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    with monkeypatch.context() as patch:
        patch.setattr("workers.media.content.content_type", lambda *_: 1 / 0)
        run(context, sent)
    assert state(context) == ("pending", "internal_error")


def test_waiting_for_the_bucket_does_not_lose_what_was_announced(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    context.store.client.delete_bucket(Bucket="vault")
    run(context, sent)
    assert state(context) == ("pending", "store_unavailable")
    context.store.client.create_bucket(Bucket="vault")
    clock.advance(60)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def test_who_must_stop_hands_its_asset_back_at_once(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    stopping = WorkerContext(**{**vars(context), "must_stop": lambda: True})
    run(stopping, sent)
    assert state(context) == ("pending", "handed_back")
    assert context.store.client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    run(context, sent)
    assert stored(context) == GOOD
