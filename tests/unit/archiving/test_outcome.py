"""The outcome of an attempt: postponed, handed back, or given up."""

import hashlib
import json
from dataclasses import replace
from functools import partial
from unittest.mock import Mock

import pytest

from tests.conftest import eventually
from tests.origin import Answer, Origin
from tests.unit.conftest import LEASE, Clock, Sent
from tests.unit.story import GOOD, KEY, PATH, VIDEO, check_stored_after, run, state, stored, video_in_manifest
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ingest import ingest
from workers.ledger.storage.keys import TIMERS


def test_a_source_is_not_asked_again_before_its_retry_after_has_passed(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=429, headers={"Retry-After": "600"}), GOOD)
    ingest(context, body, clock())
    run(context, sent)
    check_stored_after(600, context, clock, sent)


@pytest.mark.slow
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


def test_a_worker_that_must_stop_hands_its_asset_back_at_once(
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


def store_as_a_dead_worker_did(context: WorkerContext) -> None:
    """Write the video's object as an attempt does whose worker dies before it can record it."""
    sha256 = hashlib.sha256(GOOD).hexdigest()
    context.store.client.put_object(
        Bucket="vault", Key=KEY, Body=GOOD, ContentType="video/mp4", Metadata={"sha256": sha256}
    )


@pytest.mark.slow
def test_an_object_that_is_there_is_found_when_the_asset_is_given_up(
    context: WorkerContext, clock: Clock, sent: Sent, body: str
) -> None:
    ingest(context, body, clock())
    store_as_a_dead_worker_did(context)
    for _ in range(120):
        run(context, sent)
        clock.advance(60)
        sweep(context)
    asset = video_in_manifest(context)
    assert (asset["state"], asset["found"], asset["error"]) == ("archived", "unread", None)
    assert (asset["size"], asset["sha256"]) == (len(GOOD), hashlib.sha256(GOOD).hexdigest())
    assert [note.partition(":")[0] for note in asset["notes"]] == ["found"]


@pytest.fixture
def strict(context: WorkerContext) -> WorkerContext:
    """Give a worker's context that rejects every URL of the tests for good."""
    settings = context.settings.model_copy(update={"allowed_asset_hosts": ("other.test",)})
    return replace(context, settings=settings)


def test_an_asset_is_not_given_up_while_the_bucket_does_not_say_whether_it_has_its_object(
    strict: WorkerContext, clock: Clock, sent: Sent, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(strict, body, clock())
    with monkeypatch.context() as away:
        away.setattr(strict.store, "look_up", Mock(side_effect=TransientError("store_unavailable")))
        run(strict, sent)
    assert state(strict) == ("pending", "forbidden_host")
    clock.advance(900)
    sweep(strict)
    run(strict, sent)
    assert state(strict) == ("rejected", "forbidden_host")


@pytest.mark.slow
def test_the_lease_is_renewed_while_the_bucket_is_asked_for_an_object(
    strict: WorkerContext, clock: Clock, sent: Sent, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(strict, body, clock())

    def lease_end() -> float | None:
        return strict.ledger.redis.zscore(TIMERS, str(VIDEO))

    def slow_look(_key: str) -> None:
        for _ in range(3):
            clock.advance(LEASE / 2)
            before = lease_end()
            eventually(partial(lambda old: lease_end() != old, before))
            sweep(strict)

    monkeypatch.setattr(strict.store, "look_up", slow_look)
    run(strict, sent)
    assert state(strict) == ("rejected", "forbidden_host")
    assert strict.ledger.asset(VIDEO).lapses is None
