"""The story of polling: answers become records, and every watch comes to an end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tests.origin import Origin, film
from tests.unit.conftest import Clock, Sent
from tests.unit.polling.scripted import (
    Scripted,
    music_answer,
    poll_for,
    video_answer,
    video_state,
    watch_of,
    with_provider,
)
from tests.unit.story import run
from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.provider.errors import ProviderFaultError

VIDEO = AssetId("v", "video")
PATH = "/videos/one.mp4"


def test_a_task_whose_callback_never_comes_is_archived_by_polling(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    origin.serve(PATH, film(1000))
    context.watches.add("v", "video", "watch", after=30)
    provider.answers["video", "v"] = video_state("PENDING")
    poll_for(context, clock, 100)
    assert provider.times() == {("video", "v"): 3}
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 30)
    run(context, sent)
    assert context.store.read_text("v/v_video.mp4") == film(1000)
    assert watch_of(context).outcome == "settled"
    manifest = json.loads(context.store.read_text("v/v_manifest.json") or b"")
    assert (manifest["family"], manifest["status"]) == ("video", "archived")
    assert json.loads(manifest["callbacks"][0]["body"])["polled"] == "mp4/record-info"
    poll_for(context, clock, 600)
    assert provider.times() == {("video", "v"): 4}


def test_a_callback_that_arrives_first_ends_the_polling(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch", after=30)
    ingest(context, json.dumps({"code": 200, "data": {"task_id": "v", "video_url": origin.url + PATH}}), clock())
    poll_for(context, clock, 600)
    assert provider.asked == []
    assert watch_of(context).outcome == "settled"


def test_files_of_an_unfinished_task_are_archived_at_once_and_an_answer_that_repeats_itself_changes_nothing(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("m", "music", "watch")
    track = {"id": "a", "audioUrl": origin.url + "/a.mp3", "duration": 10.0}
    provider.answers["music", "m"] = music_answer("FIRST_SUCCESS", track)
    poll_for(context, clock, 100)
    snapshot = context.ledger.snapshot("m")
    assert snapshot
    assert set(snapshot.assets) == {"a/cover"}
    assert context.ledger.counters()["callbacks|music|first"] == 1
    assert len(provider.asked) == 4
    provider.answers["music", "m"] = music_answer("SUCCESS", track, {**track, "id": "b"})
    poll_for(context, clock, 30)
    snapshot = context.ledger.snapshot("m")
    assert snapshot
    assert set(snapshot.assets) == {"a/cover", "b/cover"}
    assert watch_of(context, "m").outcome == "settled"


@pytest.mark.slow
def test_a_task_is_asked_about_more_rarely_as_it_ages_and_given_up_after_a_day_loudly(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = video_state("PENDING")
    with capture_logs() as logs:
        poll_for(context, clock, 600, step=15)
        first_minutes = len(provider.asked)
        poll_for(context, clock, 86400, step=120)
    assert 20 <= first_minutes <= 22
    assert 100 < len(provider.asked) < 250
    assert (watch_of(context).outcome, watch_of(context).reason) == ("given_up", "unfinished")
    assert [each["log_level"] for each in logs if each["event"] == "watched_task_given_up"] == ["error"]


def test_a_failed_task_is_recorded_with_the_providers_words(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("m", "music", "watch")
    answer = music_answer("SENSITIVE_WORD_ERROR")
    answer["data"] |= {"errorCode": 400, "errorMessage": "a forbidden word"}
    provider.answers["music", "m"] = answer
    poll_for(context, clock, 60)
    manifest = json.loads(context.store.read_text("m/m_manifest.json") or b"")
    assert (manifest["status"], manifest["message"]) == ("failed", "a forbidden word")
    assert watch_of(context, "m").outcome == "failed"
    assert len(provider.asked) == 1


def test_a_task_whose_last_callback_does_not_come_is_asked_about_after_half_an_hour(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    body = {"code": 200, "data": {"task_id": "m", "callbackType": "first", "data": [track]}}
    ingest(context, json.dumps(body), clock())
    poll_for(context, clock, 1790)
    assert provider.asked == []
    provider.answers["music", "m"] = music_answer("SUCCESS", {"id": "a", "audioUrl": track["audio_url"]})
    poll_for(context, clock, 40)
    assert provider.asked == [("music", "m")]
    assert watch_of(context, "m").outcome == "settled"


def test_a_task_whose_callbacks_all_came_is_never_asked_about(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    for stage in ("text", "first", "complete"):
        body = {"code": 200, "data": {"task_id": "m", "callbackType": stage, "data": [track]}}
        ingest(context, json.dumps(body), clock())
    poll_for(context, clock, 7200, step=60)
    assert provider.asked == []


def test_a_dead_letter_with_an_id_is_asked_about(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    ingest(context, json.dumps({"code": 200, "data": {"task_id": "v", "new_shape": 1}}), clock())
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 60)
    snapshot = context.ledger.snapshot("v")
    assert snapshot
    assert set(snapshot.assets) == {"video"}


def test_without_a_provider_nothing_is_watched(context: WorkerContext, origin: Origin, clock: Clock) -> None:
    alone = with_provider(context, None)  # type: ignore[arg-type]  # no provider is configured
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    body = {"code": 200, "data": {"task_id": "m", "callbackType": "first", "data": [track]}}
    ingest(alone, json.dumps(body), clock())
    ingest(alone, json.dumps({"code": 200, "data": {"task_id": "v", "new_shape": 1}}), clock())
    assert context.watches.number() == 0


@contextmanager
def bucket_away() -> Iterator[None]:
    """Have every recording of an answer fail."""

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the bucket is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.polling.record.ingest", fail)
        yield


def test_an_answer_that_cannot_be_recorded_now_is_asked_for_again(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = video_answer(origin.url + PATH)

    with bucket_away():
        poll_for(context, clock, 20)
        assert watch_of(context).outcome is None
        poll_for(context, clock, 40)
    poll_for(context, clock, 40)
    assert watch_of(context).outcome == "settled"
    assert context.ledger.snapshot("v")


def test_an_answer_after_a_day_that_cannot_be_recorded_is_asked_for_again(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch", after=30)
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    clock.advance(86_500)

    with bucket_away():
        poll_for(context, clock, 0)
    assert watch_of(context).outcome is None
    poll_for(context, clock, 1000)
    assert watch_of(context).outcome == "settled"
    assert context.ledger.snapshot("v")


@pytest.mark.slow
def test_a_task_whose_answer_can_never_be_recorded_is_given_up(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.store.write_text("v/v_manifest.json", b"no manifest", "application/json")
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 180_000, step=120)
    assert watch_of(context).outcome == "given_up"
    assert len(provider.asked) < 350


@pytest.mark.parametrize("strange", ["\ud83d", 1e999])
def test_an_answer_with_values_that_json_cannot_write_is_recorded(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, strange: str | float
) -> None:
    context.watches.add("m", "music", "watch")
    track = {"id": "a", "audioUrl": origin.url + "/a.mp3", "title": strange}
    provider.answers["music", "m"] = music_answer("SUCCESS", track)
    poll_for(context, clock, 40)
    snapshot = context.ledger.snapshot("m")
    assert snapshot
    assert set(snapshot.assets) == {"a/cover"}


def test_answers_that_differ_only_in_their_times_are_recorded_once(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("m", "music", "watch")
    for number in range(10):
        track = {"id": "a", "audioUrl": origin.url + "/a.mp3", "updateTime": number}
        provider.answers["music", "m"] = music_answer("FIRST_SUCCESS", track)
        poll_for(context, clock, 30)
    assert context.ledger.counters()["callbacks|music|first"] == 1


def test_answers_wait_while_redis_is_nearly_full(context: WorkerContext, provider: Scripted, clock: Clock) -> None:
    context.watches.add("v", "video", "watch")
    poll_for(replace(context, fullness=lambda: 0.85), clock, 60)
    assert provider.asked == []
    poll_for(context, clock, 10)
    assert provider.asked == [("video", "v")]


def test_an_early_stage_after_the_complete_stage_starts_no_watch(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    for stage in ("complete", "first"):
        body = {"code": 200, "data": {"task_id": "m", "callbackType": stage, "data": [track]}}
        ingest(context, json.dumps(body), clock())
    assert context.watches.number() == 0
    assert provider.asked == []


def test_a_length_or_a_failure_that_an_answer_tells_anew_is_recorded(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    track = {"id": "a", "audioUrl": origin.url + "/a.mp3", "duration": None}
    context.watches.add("m", "music", "watch")
    provider.answers["music", "m"] = music_answer("FIRST_SUCCESS", track)
    poll_for(context, clock, 20)
    provider.answers["music", "m"] = music_answer("FIRST_SUCCESS", {**track, "duration": 187.0})
    poll_for(context, clock, 30)
    assert context.ledger.asset(AssetId("m", "a/cover")).announced_seconds == 187
    provider.answers["music", "m"] = music_answer("GENERATE_AUDIO_FAILED", track)
    poll_for(context, clock, 30)
    snapshot = context.ledger.snapshot("m")
    assert snapshot
    assert snapshot.task.stage == "error"


@pytest.mark.slow
def test_an_old_task_without_a_family_is_asked_about_four_times_an_hour(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    provider.answers["video", "v"] = ProviderFaultError("500")  # so it stays unclear whether the task exists
    context.watches.add("v", "", "watch")
    poll_for(context, clock, 40_000)
    before = provider.times()["video", "v"]
    poll_for(context, clock, 3600)
    assert 3 <= provider.times()["video", "v"] - before <= 5
