"""Checks of a file while its parts pass: kind, length of audio, and the end of a body without an announced length."""

import json

import pytest

from tests.conftest import Payload
from tests.origin import Answer, Origin, song
from tests.unit.conftest import Clock, Sent
from tests.unit.reading import PART
from tests.unit.story import (
    GOOD,
    KEY,
    PATH,
    TRACK,
    TRACK_KEY,
    WHOLE,
    announce,
    media,
    run,
    state,
    stored,
    track_in_manifest,
    video_in_manifest,
)
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.ledger.backoff import ATTEMPTS


@pytest.mark.slow
def test_media_that_contradicts_its_key_is_stored_under_its_right_type_with_a_note(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, song("a song instead of a film", 1))
    ingest(context, body, clock())
    run(context, sent)
    assert context.store.client.head_object(Bucket="vault", Key=KEY)["ContentType"] == "audio/mpeg"
    manifest = json.loads(stored(context, KEY.replace("_video.mp4", "_manifest.json")) or b"")
    assert manifest["assets"]["video"]["notes"] == ["the key ends in .mp4, the content is audio/mpeg"]
    assert manifest["status"] == "archived"


@pytest.mark.slow
def test_audio_as_long_as_announced_is_stored_with_both_durations(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", WHOLE)
    ingest(context, announce(origin), clock())
    run(context, sent)
    found = track_in_manifest(context)
    assert found["announced_seconds"] == 198.44
    assert found["seconds"] == pytest.approx(199.675, abs=0.01)
    assert found["notes"] == []


@pytest.mark.slow
def test_audio_of_which_nothing_can_be_measured_is_stored(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    noise = bytes(range(256)) * 40
    origin.serve("/song.mp3", noise)
    ingest(context, announce(origin), clock())
    run(context, sent)
    assert stored(context, TRACK_KEY) == noise
    assert track_in_manifest(context)["seconds"] is None


@pytest.mark.slow
def test_short_audio_of_several_parts_is_stored_at_once_and_marked(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    cut = song("x", 2 * PART // 16300)
    origin.serve("/song.mp3", cut)
    ingest(context, announce(origin, 2000), clock())
    run(context, sent)
    assert stored(context, TRACK_KEY) == cut
    assert track_in_manifest(context)["notes"] == ["short: 523.6 s of 2000.0 s announced"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "is_announced"),
    [
        (Answer(GOOD), True),
        (Answer(GOOD, chunked=True), True),
        (Answer(GOOD, gzipped=True), True),
        (Answer(GOOD, gzipped=True, chunked=True), True),
        (Answer(GOOD, until_closed=True), False),
        (Answer(GOOD, until_closed=True, headers={"Content-Length": "many"}), False),
        (Answer(GOOD, until_closed=True, gzipped=True), False),
    ],
)
def test_the_manifest_marks_a_file_without_an_announced_length(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, answer: Answer, is_announced: bool
) -> None:
    origin.serve(PATH, answer)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD
    asset = video_in_manifest(context)
    assert asset.get("length") == (None if is_announced else "unannounced")
    assert ("length" in asset, asset["notes"]) == (not is_announced, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "cut",
    [GOOD[:7], GOOD[:PART], GOOD[: PART + 1], GOOD[:-1], media("tone.m4a")[:-919], media("tone.wav")[:-1]],
    ids=["a byte before a box", "a part", "more than a part", "all but a byte", "no index", "another format"],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_a_file_of_no_announced_length_that_is_cut_off_by_its_format_is_not_stored_and_the_whole_one_is(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, cut: bytes, gzipped: bool
) -> None:
    origin.serve(PATH, Answer(cut, until_closed=True, gzipped=gzipped), Answer(GOOD, until_closed=True))
    ingest(context, body, clock())
    run(context, sent)
    assert (state(context), stored(context)) == (("pending", "incomplete"), None)
    assert context.store.client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    clock.advance(3600)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD
    assert video_in_manifest(context)["length"] == "unannounced"


@pytest.mark.slow
def test_a_file_of_an_announced_length_is_stored_whatever_its_format_says(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD[:-1])
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD[:-1]
    assert video_in_manifest(context)["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("expires_in", "attempts", "step"), [(200, 4, 5), (10 * 86400, 8, 300)])
def test_a_file_that_stays_cut_off_by_its_format_is_stored_after_eight_tries_or_before_its_deadline_and_marked(
    context: WorkerContext,
    clock: Clock,
    sent: Sent,
    origin: Origin,
    payload: Payload,
    expires_in: int,
    attempts: int,
    step: int,
) -> None:
    expiry = int(clock() + expires_in)
    callback = payload("video", origin.url)
    callback["data"]["video_url"] += f"?Expires={expiry}"
    origin.serve(PATH, Answer(GOOD[:-1], until_closed=True))
    ingest(context, json.dumps(callback), clock())
    while stored(context) is None:
        assert clock() < expiry
        run(context, sent)
        clock.advance(step)
        sweep(context)
    assert len(origin.requests) == attempts
    assert (stored(context), state(context)) == (GOOD[:-1], ("archived", None))
    asset = video_in_manifest(context)
    assert asset["length"] == "unannounced"
    assert asset["notes"] == ["cut off: no length was announced, and the box free goes beyond the end"]


def test_a_file_whose_end_is_doubtful_is_stored_with_a_note(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    cut = media("headerless_cbr.mp3")[:-100]
    origin.serve("/song.mp3", Answer(cut, until_closed=True))
    ingest(context, announce(origin, 5.9), clock())
    run(context, sent)
    assert stored(context, TRACK_KEY) == cut
    assert track_in_manifest(context)["notes"] == ["the end may be missing: the last frame is not complete"]


@pytest.mark.slow
def test_short_audio_of_no_announced_length_is_short_and_is_stored_at_last(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    cut = media("vbr.mp3")[:3000]
    origin.serve("/song.mp3", Answer(cut, until_closed=True))
    ingest(context, announce(origin, 6), clock())
    run(context, sent)
    assert state(context, TRACK) == ("pending", "short")
    for _ in range(20):
        run(context, sent)
        clock.advance(5000)
        sweep(context)
    assert origin.count("/song.mp3") == ATTEMPTS["short"]
    assert stored(context, TRACK_KEY) == cut
    found = track_in_manifest(context)
    assert (found["state"], found["length"]) == ("archived", "unannounced")
    assert [note.partition(":")[0] for note in found["notes"]] == ["cut off", "short"]
