"""Facts of a stored file: its metadata, and what the manifest says of an object that stood there before."""

import hashlib
import json

import pytest

from tests.conftest import Payload
from tests.origin import Answer, Origin, film, song
from tests.unit.conftest import Clock, Sent
from tests.unit.reading import PART
from tests.unit.story import (
    GOOD,
    KEY,
    PATH,
    run,
    state,
    stored,
    video_in_manifest,
)
from workers.context import WorkerContext
from workers.ingest import ingest


def test_an_object_carries_its_identity_and_its_source_without_the_query(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    callback = payload("music_first", origin.url)
    track = callback["data"]["data"][0]
    track["audio_url"] = origin.serve("/a/é.mp3", song("é", 98)) + "?X-Amz-Signature=hush"
    ingest(context, json.dumps(callback), clock())
    task_id, track_id = callback["data"]["task_id"], track["id"]
    origin.serve("/a/%C3%A9.mp3", song("é", 98))
    run(context, sent)
    head = context.store.client.head_object(Bucket="vault", Key=f"{task_id}/{track_id}/{task_id}_cover.mp3")
    assert head["ContentType"] == "audio/mpeg"
    assert {name: head["Metadata"][name] for name in ("task-id", "track-id", "stem")} == {
        "task-id": task_id,
        "track-id": track_id,
        "stem": "cover",
    }
    assert "hush" not in str(head)
    assert len(head["Metadata"]["sha256"]) == 64


@pytest.mark.parametrize(
    "sign", ["\x00", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "é", "\ud83c\udfb5", "\r\nX-Injected: 1"]
)
def test_a_url_with_odd_signs_is_fetched_and_its_metadata_carries_no_header(
    context: WorkerContext, sent: Sent, clock: Clock, payload: Payload, origin: Origin, sign: str
) -> None:
    origin.otherwise = lambda _: Answer(GOOD)
    odd = payload("video", origin.url)
    odd["data"]["video_url"] = f"{origin.url}/a{sign}b.mp4"
    ingest(context, json.dumps(odd), clock())
    run(context, sent)
    assert state(context) == ("archived", None)
    metadata = context.store.metadata(KEY)
    assert "injected" not in " ".join(metadata).lower()
    assert metadata["source-url"].isascii()
    assert metadata["source-url"].isprintable()


@pytest.mark.parametrize(("content", "found"), [(GOOD, "same"), (film(PART), "different")])
def test_the_manifest_tells_that_an_object_stood_there_before_and_what_it_is(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, content: bytes, found: str
) -> None:
    origin.serve(PATH, GOOD)
    context.store.client.put_object(Bucket="vault", Key=KEY, Body=content, ContentType="text/plain")
    ingest(context, body, clock())
    run(context, sent)
    manifest = json.loads(stored(context, KEY.replace("video.mp4", "manifest.json")) or b"")
    asset = manifest["assets"]["video"]
    assert (asset["state"], asset["found"], asset["size"]) == ("archived", found, len(content))
    assert asset["content_type"] == ("video/mp4" if found == "same" else "text/plain")
    assert asset["sha256"] == hashlib.sha256(content).hexdigest()
    assert [note.partition(":")[0] for note in asset["notes"]] == ([] if found == "same" else ["found"])
    assert stored(context) == content


@pytest.mark.slow
def test_the_manifest_gives_no_length_note_for_an_object_that_existed_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(GOOD, until_closed=True))
    context.store.client.put_object(Bucket="vault", Key=KEY, Body=film(PART))
    ingest(context, body, clock())
    run(context, sent)
    asset = video_in_manifest(context)
    assert asset["found"] == "different"
    assert "length" not in asset
