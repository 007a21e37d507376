"""The story of an asset in this process: real HTTP from a real origin, with moto and fakeredis."""

import hashlib
import json
import socket
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.conftest import Payload
from tests.origin import Answer, Origin, film, song
from tests.unit.conftest import Clock, Sent
from tests.unit.story import (
    GOOD,
    KEY,
    PATH,
    run,
    state,
    stored,
)
from workers.archive import archive_next
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.dispatch.queues import ASSET_QUEUES
from workers.ingest import ingest


def test_a_callback_becomes_an_object_a_record_and_a_manifest(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    content = film(1024)
    origin.serve(PATH, content)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == content
    manifest = json.loads(stored(context, "taskId_c20ad4d76fe9/taskId_c20ad4d76fe9_manifest.json") or b"")
    assert (manifest["family"], manifest["status"]) == ("video", "archived")
    asset = manifest["assets"]["video"]
    assert (asset["key"], asset["size"], asset["sha256"]) == (KEY, len(content), hashlib.sha256(content).hexdigest())
    assert (asset["content_type"], asset["state"], asset["attempts"]) == ("video/mp4", "archived", 1)
    assert manifest["callbacks"][0]["body"] == body


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        Answer(GOOD),
        Answer(GOOD, chunked=True),
        Answer(GOOD, gzipped=True),
        Answer(GOOD, gzipped=True, chunked=True),
        Answer(GOOD, until_closed=True),
        Answer(GOOD, piece=1000003),
        Answer(GOOD, headers={"Content-Type": "text/html"}),
    ],
    ids=lambda answer: (
        "".join(name[0] for name in ("chunked", "gzipped", "until_closed") if getattr(answer, name)) or "plain"
    ),
)
def test_however_it_travels_it_is_stored_whole(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, answer: Answer
) -> None:
    origin.serve(PATH, answer)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD


def test_a_worker_that_leaves_assets_without_a_wake_up_message_sends_one(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    callback = payload("separation_separate_vocal", origin.url)
    ingest(context, json.dumps(callback), clock())
    assert len(sent.take()) > 1  # and the messages are lost
    archive_next(context, ASSET_QUEUES, uuid4().hex)
    assert sent.take() == ["assets"]
    while archive_next(context, ASSET_QUEUES, uuid4().hex):
        sent.take()
    assert sent.take() == []


@pytest.mark.slow
def test_no_log_line_holds_a_urls_query(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    callback = payload("music_first", origin.url)
    answers: list[Any] = [song("x"), Answer(status=404), Answer(b"<html>"), Answer(song("y"), cut_at=9), Answer(b"")]
    for (name, url), answer in zip(list(callback["data"]["data"][0].items())[1:6], answers, strict=True):
        callback["data"]["data"][0][name] = origin.serve(url.removeprefix(origin.url), answer) + "?sig=hush"
    with capture_logs() as logs:
        ingest(context, json.dumps(callback), clock())
        run(context, sent)
    assert len(logs) > 5
    assert "hush" not in str(logs)


@pytest.mark.slow
def test_each_attempt_is_logged_when_it_starts_with_its_number_and_worker(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=503), GOOD)
    ingest(context, body, clock())
    with capture_logs() as logs:
        run(context, sent)
        clock.advance(3600)
        sweep(context)
        run(context, sent)
    assert state(context)[0] == "archived"
    told = [entry["event"] for entry in logs if entry["event"].startswith("asset_")]
    assert told == ["asset_attempt_started", "asset_postponed", "asset_attempt_started", "asset_archived"]
    starts = [entry for entry in logs if entry["event"] == "asset_attempt_started"]
    assert [(entry["attempt"], entry["worker"]) for entry in starts] == [
        (1, socket.gethostname()),
        (2, socket.gethostname()),
    ]
