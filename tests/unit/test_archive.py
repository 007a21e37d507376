"""The story of an asset, told in this process: real HTTP from a real origin, moto and fakeredis behind it."""

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from tests.conftest import Payload
from tests.origin import Answer, Origin, film, song
from tests.unit.conftest import LEASE, START, Clock, Sent
from tests.unit.story import GOOD, KEY, PART, PATH, VIDEO, run, state, stored
from workers.archive import archive_next
from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.dispatch.queues import ASSET_QUEUES
from workers.ingest import ingest
from workers.ledger.backoff import ATTEMPTS
from workers.ledger.keys import ORPHANS, UPLOADS
from workers.ledger.ledger import FINAL_SECONDS
from workers.sweep import sweep


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


def test_an_object_carries_its_identity_and_its_source_without_the_query(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    callback = payload("music_first", origin.url)
    track = callback["data"]["data"][0]
    track["audio_url"] = origin.serve("/a/é.mp3", song("é")) + "?X-Amz-Signature=hush"
    ingest(context, json.dumps(callback), clock())
    task_id, track_id = callback["data"]["task_id"], track["id"]
    origin.serve("/a/%C3%A9.mp3", song("é"))
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
    ("bad", "reason"),
    [
        (Answer(GOOD, announced=len(GOOD) + 1), "truncated"),
        (Answer(GOOD, announced=PART), "overlong"),
        (Answer(GOOD, announced=3000), "overlong"),
        (Answer(GOOD, cut_at=PART + 7), "truncated"),
        (Answer(GOOD, cut_at=7), "truncated"),
        (Answer(GOOD, chunked=True, cut_at=PART + 7), "truncated"),
        (Answer(GOOD, gzipped=True, cut_at=1000), "truncated"),
        (Answer(b"<html>come back later</html>"), "not_media"),
        (Answer(b""), "empty"),
        (Answer(GOOD, headers={"Content-Encoding": "br"}), "undecodable"),
        (Answer(GOOD, headers={"Content-Encoding": "gzip"}), "undecodable"),
        (Answer(b"no", status=403), "gone"),
        (Answer(b"no", status=404), "gone"),
        (Answer(b"no", status=410), "gone"),
        (Answer(b"no", status=429, headers={"Retry-After": "120"}), "rate_limited"),
        (Answer(b"no", status=503), "origin_error"),
        (Answer(b"no", status=204), "refused"),
        (Answer(b"no", status=206), "refused"),
        (Answer(b"", status=302), "refused"),
    ],
)
def test_a_bad_answer_is_never_stored_and_the_next_good_one_is(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, bad: Answer, reason: str
) -> None:
    origin.serve(PATH, bad, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) is None
    assert state(context) == ("pending", reason)
    assert context.store.client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    clock.advance(3600)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


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


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_too_large_is_rejected_before_or_while_it_comes(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, announced: bool
) -> None:
    settings = context.settings.model_copy(update={"max_asset_bytes": len(GOOD) - 1})
    small = WorkerContext(**{**vars(context), "settings": settings})
    origin.serve(PATH, Answer(GOOD, chunked=not announced))
    ingest(small, body, clock())
    run(small, sent)
    assert state(context) == ("rejected", "too_large")
    assert stored(context) is None


MEDIA_FILES = Path(__file__).parent.parent / "media"


def media(name: str) -> bytes:
    return (MEDIA_FILES / name).read_bytes()


def video_in_manifest(context: WorkerContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stored(context, KEY.replace("video.mp4", "manifest.json")) or b"")["assets"][
        "video"
    ]
    return found


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
def test_the_manifest_tells_of_a_file_whose_length_nobody_announced(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, answer: Answer, is_announced: bool
) -> None:
    origin.serve(PATH, answer)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD
    asset = video_in_manifest(context)
    assert asset.get("length") == (None if is_announced else "unannounced")
    assert ("length" in asset, asset["notes"]) == (not is_announced, [])


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


def test_a_file_of_an_announced_length_is_stored_whatever_its_format_says(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD[:-1])
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD[:-1]
    assert video_in_manifest(context)["notes"] == []


@pytest.mark.parametrize(("expires_in", "attempts", "step"), [(200, 4, 5), (10 * 86400, 8, 30)])
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


def test_nothing_is_said_of_the_length_of_an_object_that_stood_there_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(GOOD, until_closed=True))
    context.store.client.put_object(Bucket="vault", Key=KEY, Body=film(PART))
    ingest(context, body, clock())
    run(context, sent)
    asset = video_in_manifest(context)
    assert asset["found"] == "different"
    assert "length" not in asset


def test_a_gzip_bomb_counts_by_what_it_expands_to(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    settings = context.settings.model_copy(update={"max_asset_bytes": 6 * PART})
    small = WorkerContext(**{**vars(context), "settings": settings})
    origin.serve(PATH, Answer(film(0) + bytes(40 * PART), gzipped=True))
    ingest(small, body, clock())
    run(small, sent)
    assert state(context) == ("rejected", "too_large")


@pytest.mark.parametrize(("allowed", "expected"), [(0.5, ("pending", "slow")), (60.0, ("archived", None))])
def test_a_source_that_drips_is_cut_off_by_the_time_for_one_transfer(
    context: WorkerContext,
    clock: Clock,
    sent: Sent,
    origin: Origin,
    body: str,
    allowed: float,
    expected: tuple[str, str | None],
) -> None:
    """Real time passes: the source never falls silent, and takes two seconds at least."""
    settings = context.settings.model_copy(update={"transfer_timeout": allowed})
    patient = WorkerContext(**{**vars(context), "settings": settings, "monotonic": time.monotonic})
    origin.serve(PATH, Answer(GOOD, piece=len(GOOD) // 200, pause=0.01))
    ingest(patient, body, clock())
    run(patient, sent)
    assert state(context) == expected


def test_a_source_that_falls_silent_is_cut_off(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.source.opening.READ_TIMEOUT", 0.3)
    origin.serve(PATH, Answer(GOOD, stall_at=PART), GOOD)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "stalled")


def test_a_source_that_nobody_answers_for_is_tried_again(
    context: WorkerContext, clock: Clock, sent: Sent, payload: Payload
) -> None:
    ingest(context, json.dumps(payload("video", "http://127.0.0.1:1")), clock())
    run(context, sent)
    assert state(context) == ("pending", "unreachable")


def test_redirects_are_followed_five_times_and_no_further(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    def chain(length: int) -> None:
        for hop in range(length):
            origin.serve(PATH if hop == 0 else f"/hop{hop}", Answer(status=302, headers={"Location": f"/hop{hop + 1}"}))
        origin.serve(f"/hop{length}", GOOD)

    chain(6)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("rejected", "too_many_redirects")
    chain(5)
    refreshed = json.loads(body)
    refreshed["data"]["video_url"] += "?again"
    ingest(context, json.dumps(refreshed), clock())
    run(context, sent)
    assert stored(context) == GOOD


def test_a_source_that_asks_for_patience_is_left_alone_so_long(
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


def test_what_is_gone_for_an_hour_is_rejected_and_the_manifest_says_why(
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


def test_what_could_not_be_fetched_before_its_deadline_expires_loudly(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=503))
    ingest(context, body, clock())
    run(context, sent)
    clock.advance(15 * 86400)
    with capture_logs() as logs:
        sweep(context)
    assert state(context) == ("expired", "origin_error")
    assert [entry["log_level"] for entry in logs if entry["event"] == "asset_expired"] == ["error"]
    assert context.ledger.counters()["assets|expired|origin_error"] == 1


def test_a_killed_workers_asset_is_taken_up_when_its_lease_ends(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    sent.take()
    context.ledger.take(("assets",), "killed")
    clock.advance(LEASE - 1)
    sweep(context)
    assert sent.take() == []
    clock.advance(2)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def test_an_attempt_that_crashes_is_recorded_and_tried_again(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    with monkeypatch.context() as patch:
        patch.setattr("workers.media.content.content_type", lambda *_: 1 / 0)
        run(context, sent)
    assert state(context) == ("pending", "internal_error")


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


def test_the_environment_has_no_say_in_how_assets_are_fetched(context: WorkerContext) -> None:
    assert isinstance(context.session, requests.Session)
    assert not context.session.trust_env


def test_a_transfer_that_breaks_goes_on_where_it_broke_when_the_source_proves_it_is_the_same_file(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    broken = [Answer(GOOD, etag='"v1"', cut_at=cut) for cut in (PART + 7, PART // 2, 1000)]
    origin.serve(PATH, *broken, Answer(GOOD, etag='"v1"'))
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD
    assert context.ledger.asset(VIDEO)["attempts"] == "1"
    asked = [headers.get("Range") for _, headers in origin.requests]
    assert asked[0] is None
    starts = [int((wanted or "")[6:-1]) for wanted in asked[1:]]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[0] > 0


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Answer(GOOD, cut_at=PART), Answer(GOOD)),
        (Answer(GOOD, etag='W/"v1"', cut_at=PART), Answer(GOOD, etag='W/"v1"')),
        (Answer(GOOD, etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"', ranges=False)),
        (Answer(GOOD[::-1], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v2"')),
        (Answer(GOOD[::-1], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v2"', believes_any=True)),
        (Answer(GOOD[: 2 * PART], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"')),
        (Answer(GOOD, etag='"v1"', gzipped=True, cut_at=5000), Answer(GOOD, etag='"v1"')),
    ],
    ids=["no_validator", "weak_etag", "no_ranges", "changed", "changed_and_careless", "other_length", "encoded"],
)
def test_a_transfer_that_breaks_starts_over_when_nothing_proves_that_it_is_the_same_file(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, first: Answer, then: Answer
) -> None:
    if first.body[:8] != GOOD[:8]:
        first = replace(first, body=GOOD[:PART] + first.body[PART:])
    origin.serve(PATH, first, then)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "truncated")
    clock.advance(60)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def test_a_source_that_breaks_at_the_same_byte_again_and_again_is_left_for_later(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(GOOD, etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"', cut_at=0))
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "truncated")
    assert len(origin.requests) <= 4


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


def test_uploads_of_two_dead_workers_to_one_key_do_not_keep_each_other(context: WorkerContext, clock: Clock) -> None:
    client = context.store.client
    for worker in "ab":
        client.create_multipart_upload(Bucket="vault", Key=KEY)
        context.ledger.upload_began(f"?{worker} {KEY}")
        clock.advance(LEASE / 2)
    for _ in range(5):
        sweep(context)
        clock.advance(LEASE / 2)
    assert client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    assert context.ledger.redis.exists(UPLOADS, ORPHANS) == 0


def test_a_dead_workers_upload_is_aborted_by_the_sweep(context: WorkerContext, clock: Clock) -> None:
    client = context.store.client
    upload_id = client.create_multipart_upload(Bucket="vault", Key=KEY)["UploadId"]
    context.ledger.upload_began(f"{upload_id} {KEY}")
    clock.advance(LEASE - 1)
    sweep(context)
    assert len(client.list_multipart_uploads(Bucket="vault")["Uploads"]) == 1
    clock.advance(2)
    sweep(context)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="vault")


def test_an_upload_whose_worker_died_before_it_knew_its_id_is_aborted_and_no_other_of_the_key(
    context: WorkerContext, clock: Clock
) -> None:
    client = context.store.client
    unnamed, known, other = (
        client.create_multipart_upload(Bucket="vault", Key=key)["UploadId"] for key in (KEY, KEY, f"{KEY}.mp3")
    )
    context.ledger.upload_began(f"?1 {KEY}")
    clock.advance(LEASE + 1)
    context.ledger.upload_began(f"{known} {KEY}")
    sweep(context)
    assert {upload["UploadId"] for upload in client.list_multipart_uploads(Bucket="vault")["Uploads"]} == {known, other}
    assert unnamed not in {known, other}
    assert not context.ledger.orphaned_uploads()


def test_an_upload_that_another_worker_is_creating_is_not_taken_for_one_that_nobody_knows(
    context: WorkerContext, clock: Clock
) -> None:
    client = context.store.client
    context.ledger.upload_began(f"?dead {KEY}")
    clock.advance(LEASE + 1)
    context.ledger.upload_began(f"?alive {KEY}")
    client.create_multipart_upload(Bucket="vault", Key=KEY)
    sweep(context)
    assert len(client.list_multipart_uploads(Bucket="vault")["Uploads"]) == 1
    clock.advance(LEASE + 1)
    sweep(context)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="vault")


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_store_that_does_not_list_uploads_is_not_asked_again(
    context: WorkerContext, clock: Clock, status: int
) -> None:
    def answer(model: Any, **_: object) -> None:
        raise ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, model.name)  # type: ignore[typeddict-item]  # the stubs want the whole of it

    context.store.client.meta.events.register("before-call.s3.ListMultipartUploads", answer)
    context.ledger.upload_began(f"?1 {KEY}")
    clock.advance(LEASE + 1)
    sweep(context)
    assert not context.ledger.redis.zcard(UPLOADS)


def test_an_upload_is_noted_before_it_is_created(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    noted: list[list[str]] = []
    events = context.store.client.meta.events
    for operation in ("CreateMultipartUpload", "UploadPart"):
        events.register(
            f"before-call.s3.{operation}",
            lambda **_: noted.append([*map(str, context.ledger.redis.zrange(UPLOADS, 0, -1))]),
        )
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    # Before them, the process examines its store.
    assert [[name[:1] == "?" for name in names] for names in noted[-4:]] == [[True], [False], [False], [False]]
    assert context.ledger.redis.zcard(UPLOADS) == 0


def test_lost_wake_ups_are_made_up_for_by_the_sweep(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, GOOD)
    ingest(context, body, clock())
    assert sent.take() == ["assets"]  # and they are gone
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD
    sweep(context)
    assert sent.take() == []


def test_who_takes_one_asset_and_leaves_another_to_which_nobody_is_called_calls_somebody(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, payload: Payload
) -> None:
    callback = payload("separation_separate_vocal", origin.url)
    ingest(context, json.dumps(callback), clock())
    assert len(sent.take()) > 1  # and they are gone
    archive_next(context, ASSET_QUEUES, uuid4().hex)
    assert sent.take() == ["assets"]
    while archive_next(context, ASSET_QUEUES, uuid4().hex):
        sent.take()
    assert sent.take() == []


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


@pytest.mark.parametrize("headers", [{f"X-{n}": "x" for n in range(200)}, {"X-Long": "x" * 100_000}])
def test_a_source_with_more_headers_than_anyone_needs_is_left_alone(
    context: WorkerContext, sent: Sent, clock: Clock, body: str, origin: Origin, headers: dict[str, str]
) -> None:
    origin.serve(PATH, Answer(GOOD, headers=headers))
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "unreachable")
    assert stored(context) is None


# --- what a file turns out to be ---


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


TRACK = AssetId("t", "i/cover")
TRACK_KEY = "t/i/t_cover.mp3"
WHOLE, CUT = song("whole", 98), song("whole", 90)
"""199.7 and 183.4 seconds."""


def announce(origin: Origin, seconds: object = 198.44, path: str = "/song.mp3") -> str:
    track = {"id": "i", "audio_url": origin.url + path, "duration": seconds}
    return json.dumps({"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": [track]}})


def track_in_manifest(context: WorkerContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stored(context, "t/t_manifest.json") or b"")["assets"]["i/cover"]
    return found


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


def partials(context: WorkerContext) -> list[str]:
    return context.store.list("_partial/", limit=10)


def test_short_audio_is_not_mistaken_for_the_song_and_the_whole_one_is_stored_later(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    shorter = song("whole", 80)
    origin.serve("/song.mp3", CUT, shorter, WHOLE)
    ingest(context, announce(origin), clock())
    for _ in range(2):
        run(context, sent)
        assert state(context, TRACK) == ("pending", "short")
        assert stored(context, TRACK_KEY) is None
        assert stored(context, f"_partial/{TRACK_KEY}") == CUT
        assert context.ledger.asset(TRACK)["seconds"] == "183.375"
        clock.advance(120)
        sweep(context)
    run(context, sent)
    assert stored(context, TRACK_KEY) == WHOLE
    assert partials(context) == []
    assert track_in_manifest(context)["notes"] == []
    assert "short_audio||" not in context.ledger.counters()


def test_a_part_that_was_kept_when_its_worker_had_to_end_is_known_to_the_next_one(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve("/song.mp3", CUT, song("shorter", 5))
    ingest(context, announce(origin), clock())
    stopping: list[bool] = []
    with monkeypatch.context() as patch:
        write_text = context.store.write_text

        def write_and_end(*args: Any, **kwargs: Any) -> None:
            write_text(*args, **kwargs)
            stopping.append(True)

        patch.setattr(context.store, "write_text", write_and_end)
        run(WorkerContext(**{**vars(context), "must_stop": lambda: bool(stopping)}), sent)
    assert context.ledger.asset(TRACK)["seconds"] == "183.375"
    clock.advance(120)
    sweep(context)
    run(context, sent)
    assert stored(context, f"_partial/{TRACK_KEY}") == CUT


def test_short_audio_of_several_parts_is_stored_at_once_and_marked(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    cut = song("x", 2 * PART // 16300)
    origin.serve("/song.mp3", cut)
    ingest(context, announce(origin, 2000), clock())
    run(context, sent)
    assert stored(context, TRACK_KEY) == cut
    assert track_in_manifest(context)["notes"] == ["short: 1310.1 s of 2000.0 s announced"]


def test_audio_that_stays_short_is_stored_at_last_and_marked_and_counted(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(5000)
        sweep(context)
    assert origin.count("/song.mp3") == ATTEMPTS["short"]
    assert_ended_with_the_part(context)
    assert partials(context) == []


def assert_ended_with_the_part(context: WorkerContext) -> None:
    assert stored(context, TRACK_KEY) == CUT
    found = track_in_manifest(context)
    assert (found["state"], found["error"]) == ("archived", None)
    assert (found["seconds"], found["announced_seconds"]) == (183.375, 198.44)
    assert found["notes"] == ["short: 183.4 s of 198.4 s announced"]
    assert context.ledger.counters()["short_audio||"] == 1
    assert context.ledger.counters()["assets|archived|"] == 1


def test_short_audio_is_stored_before_its_deadline_passes(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    expiry = int(clock() + 200)
    ingest(context, announce(origin, path=f"/song.mp3?Expires={expiry}"), clock())
    while stored(context, TRACK_KEY) is None:
        assert clock() < expiry
        run(context, sent)
        clock.advance(5)
        sweep(context)
    assert state(context, TRACK) == ("archived", None)
    assert track_in_manifest(context)["notes"]


def test_a_url_that_dies_while_more_is_hoped_for_leaves_what_came_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, Answer(status=404))
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(2000)
        sweep(context)
    assert_ended_with_the_part(context)
    assert partials(context) == []


@pytest.mark.parametrize("away", [True, False])
def test_a_deadline_that_passes_with_no_worker_there_leaves_what_came_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, away: bool
) -> None:
    origin.serve("/song.mp3", CUT)
    ingest(context, announce(origin, path=f"/song.mp3?Expires={int(clock() + 200)}"), clock())
    run(context, sent)
    clock.advance(500)
    sweep(context)
    if away:
        # Nor does the bucket's absence lose it, however long that is.
        bucket = context.store.bucket
        context.store.bucket = "elsewhere"
        for _ in range(3):
            run(context, sent)
            clock.advance(FINAL_SECONDS)
            sweep(context)
        context.store.bucket = bucket
        clock.advance(2000)
        sweep(context)
    run(context, sent)
    assert origin.count(f"/song.mp3?Expires={int(START + 200)}") == 1
    assert_ended_with_the_part(context)


def test_the_longest_of_several_parts_is_what_is_left(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, *[song("shorter", 5)] * 9)
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(5000)
        sweep(context)
    assert_ended_with_the_part(context)


def test_a_part_that_somebody_has_taken_away_ends_its_asset_and_nothing_else(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, Answer(status=404))
    ingest(context, announce(origin), clock())
    run(context, sent)
    context.store.delete(f"_partial/{TRACK_KEY}")
    for _ in range(20):
        clock.advance(2000)
        sweep(context)
        run(context, sent)
    assert state(context, TRACK) == ("rejected", "part_gone")


def test_how_long_a_track_is_may_be_told_after_its_stream_was_taken(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    first = json.loads(announce(origin, None))
    first["data"]["callbackType"] = "first"
    ingest(context, json.dumps(first), clock())
    run(context, sent)
    found = track_in_manifest(context)
    assert (found["state"], found["seconds"], found["announced_seconds"], found["notes"]) == (
        "archived", 183.375, None, [],
    )  # fmt: skip
    clock.advance(20)
    ingest(context, announce(origin), clock())
    assert_ended_with_the_part(context)
    assert origin.count("/song.mp3") == 1


def test_audio_of_which_nothing_can_be_measured_is_stored(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    noise = bytes(range(256)) * 40
    origin.serve("/song.mp3", noise)
    ingest(context, announce(origin), clock())
    run(context, sent)
    assert stored(context, TRACK_KEY) == noise
    assert track_in_manifest(context)["seconds"] is None
