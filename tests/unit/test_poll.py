"""The story of polling: answers become records, and every watch comes to an end."""

import json
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.origin import Origin, film
from tests.unit.conftest import Clock, Sent
from tests.unit.polling import UNKNOWN, Scripted, music_answer, poll_for, video_answer, video_state, with_provider
from tests.unit.story import run
from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.provider.errors import (
    MaintenanceError,
    NotOfferedError,
    ProviderError,
    ProviderFaultError,
    RefusedError,
    WrongKeyError,
)
from workers.provider.families import ASKING_ORDER
from workers.watching.watches import Watch

VIDEO = AssetId("v", "video")
PATH = "/videos/one.mp4"


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
def context(context: WorkerContext, provider: Scripted) -> WorkerContext:
    return with_provider(context, provider)


def watch_of(context: WorkerContext, task_id: str = "v") -> Watch:
    watch = next(context.watches.states([task_id]))
    assert watch
    return watch


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


def test_a_bare_id_is_asked_about_in_each_family_until_one_knows_it(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "", "backfill")
    provider.answers["jobs", "v"] = NotOfferedError()
    provider.answers["separation", "v"] = RefusedError()
    provider.answers["video", "v"] = video_state("PENDING")
    poll_for(context, clock, 20)
    assert [family for family, _ in provider.asked] == ["music", "jobs", "separation", "video"]
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 60)
    assert provider.asked[4:] == [("video", "v")]
    assert (watch_of(context).outcome, watch_of(context).family) == ("settled", "video")


def test_a_bare_id_that_no_family_knows_is_gone_after_two_rounds_of_all_families(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("v", "", "backfill")
    poll_for(context, clock, 290)
    assert watch_of(context).outcome is None
    poll_for(context, clock, 60)
    assert [family for family, _ in provider.asked] == 2 * [family.name for family in ASKING_ORDER]
    assert (watch_of(context).outcome, watch_of(context).reason) == ("gone", "unknown_task")


def test_a_family_that_gives_no_clear_answer_keeps_no_other_from_being_asked_and_nothing_from_being_found(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "", "backfill")
    provider.answers["music", "v"] = ProviderFaultError("500")
    provider.answers["jobs", "v"] = {"code": 200, "data": {}}
    poll_for(context, clock, 900)
    assert watch_of(context).outcome is None
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 330)
    assert (watch_of(context).outcome, watch_of(context).family) == ("settled", "video")


@pytest.mark.parametrize("answer", [UNKNOWN, NotOfferedError(), RefusedError()])
def test_one_answer_that_a_task_is_unknown_ends_no_watch_of_a_task_that_exists(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, answer: dict[str, Any] | ProviderError
) -> None:
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    body = {"code": 200, "data": {"task_id": "m", "callbackType": "first", "data": [track]}}
    ingest(context, json.dumps(body), clock())
    context.watches.add("v", "video", "backfill")
    provider.answers["music", "m"] = provider.answers["video", "v"] = answer
    poll_for(context, clock, 20)
    assert watch_of(context).outcome is None
    poll_for(context, clock, 20_000, step=60)
    assert watch_of(context).outcome == "gone"
    assert watch_of(context, "m").outcome is None
    tracks = ({"id": name, "audioUrl": f"{origin.url}/{name}.mp3"} for name in "ab")
    provider.answers["music", "m"] = music_answer("SUCCESS", *tracks)
    poll_for(context, clock, 1000, step=60)
    snapshot = context.ledger.snapshot("m")
    assert snapshot
    assert set(snapshot.assets) == {"a/cover", "b/cover"}


def test_a_submitted_task_may_be_unknown_for_some_minutes(context: WorkerContext, clock: Clock) -> None:
    context.watches.add("v", "video", "watch")
    poll_for(context, clock, 500)
    assert watch_of(context).outcome is None
    poll_for(context, clock, 200)
    assert watch_of(context).outcome == "gone"


def test_a_submitted_task_without_a_family_is_looked_for_in_all_of_them_again(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "", "watch")
    poll_for(context, clock, 100)
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 250)
    assert (watch_of(context).outcome, watch_of(context).family) == ("settled", "video")


@pytest.mark.parametrize(
    ("error", "reason", "at_most"), [(WrongKeyError(), "wrong_key", 6), (MaintenanceError(), "maintenance", 8)]
)
def test_a_refusal_that_concerns_all_is_told_once_and_does_not_burn_the_rate(
    context: WorkerContext,
    provider: Scripted,
    clock: Clock,
    error: WrongKeyError | MaintenanceError,
    reason: str,
    at_most: int,
) -> None:
    for number in range(50):
        context.watches.add(f"task-{number}", "video", "watch")
        provider.answers["video", f"task-{number}"] = error
    with capture_logs() as logs:
        poll_for(context, clock, 3600, step=30)
    assert [each["reason"] for each in logs if each["event"] == "provider_paused"] == [reason]
    assert len(provider.asked) <= at_most
    paused = context.watches.turns.paused()
    assert paused
    assert paused.reason == reason
    provider.answers.clear()
    with capture_logs() as logs:
        poll_for(context, clock, 1800, step=30)
    assert [each["reason"] for each in logs if each["event"] == "provider_answers_again"] == [reason]
    assert {watch.outcome for watch in context.watches.states(f"task-{number}" for number in range(50)) if watch} == {
        "gone"
    }


def test_a_fault_with_one_task_pauses_no_other(context: WorkerContext, provider: Scripted, clock: Clock) -> None:
    context.watches.add("bad", "video", "watch")
    context.watches.add("v", "video", "watch")
    provider.answers["video", "bad"] = ProviderFaultError("505")
    provider.answers["video", "v"] = video_state("PENDING")
    poll_for(context, clock, 95)
    assert provider.times() == {("video", "bad"): 4, ("video", "v"): 4}
    assert context.watches.turns.paused() is None


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


def test_an_answer_that_cannot_be_recorded_now_is_asked_for_again(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = video_answer(origin.url + PATH)

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr("workers.poll.ingest", fail)
        poll_for(context, clock, 20)
        assert watch_of(context).outcome is None
        poll_for(context, clock, 40)
    poll_for(context, clock, 40)
    assert watch_of(context).outcome == "settled"
    assert context.ledger.snapshot("v")


def test_a_task_whose_answer_can_never_be_recorded_is_given_up(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.store.write_text("v/v_manifest.json", b"no manifest", "application/json")
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 90_000, step=120)
    assert watch_of(context).outcome == "given_up"
    assert len(provider.asked) < 250


def test_one_task_whose_requests_always_fail_keeps_no_other_waiting(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("bad", "video", "watch")
    context.watches.add("v", "video", "watch")
    provider.answers["video", "bad"] = ProviderFaultError("no whole answer in time", for_all=True)
    provider.answers["video", "v"] = video_state("PENDING")
    poll_for(context, clock, 95)
    assert provider.times() == {("video", "bad"): 4, ("video", "v"): 4}
    poll_for(context, clock, 90_000, step=120)
    assert watch_of(context, "bad").outcome == "given_up"


def test_a_provider_that_fails_with_every_task_is_left_alone_for_a_while(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    for number in range(50):
        context.watches.add(f"task-{number}", "video", "watch")
        provider.answers["video", f"task-{number}"] = ProviderFaultError("502", for_all=True)
    poll_for(context, clock, 600, step=10)
    assert len(provider.asked) < 20


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


def test_a_pause_of_days_ends_no_watch_before_its_task_was_asked_about(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = WrongKeyError()
    poll_for(context, clock, 5 * 86400, step=600)
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 1800, step=60)
    assert watch_of(context).outcome == "settled"


def test_an_early_stage_that_comes_late_has_nothing_asked(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    for stage in ("complete", "first"):
        body = {"code": 200, "data": {"task_id": "m", "callbackType": stage, "data": [track]}}
        ingest(context, json.dumps(body), clock())
    assert context.watches.number() == 0
    assert provider.asked == []


def test_a_registered_task_of_which_a_callback_came_is_never_gone(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("m", "music", "watch")
    track = {"id": "a", "audio_url": origin.url + "/a.mp3"}
    body = {"code": 200, "data": {"task_id": "m", "callbackType": "first", "data": [track]}}
    ingest(context, json.dumps(body), clock())
    poll_for(context, clock, 3600, step=60)
    assert len(provider.asked) > 10
    assert watch_of(context, "m").outcome is None


def test_a_family_in_which_the_answer_names_the_task_is_the_right_one(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("m", "", "backfill")
    provider.answers["music", "m"] = music_answer("CALLBACK_EXCEPTION")
    poll_for(context, clock, 60)
    assert watch_of(context, "m").family == "music"
    assert {family for family, _ in provider.asked} == {"music"}


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
