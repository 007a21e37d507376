"""Polling with refusals, faults and unclear answers: no task is lost, and none holds up the others."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.origin import Origin
from tests.unit.conftest import Clock
from tests.unit.polling.scripted import (
    UNKNOWN,
    Scripted,
    music_answer,
    poll_for,
    video_answer,
    video_state,
    watch_of,
)
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

VIDEO = AssetId("v", "video")
PATH = "/videos/one.mp4"


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_task_whose_requests_always_fail_keeps_no_other_waiting(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("bad", "video", "watch")
    context.watches.add("v", "video", "watch")
    provider.answers["video", "bad"] = ProviderFaultError("no whole answer in time", for_all=True)
    provider.answers["video", "v"] = video_state("PENDING")
    poll_for(context, clock, 95)
    assert provider.times() == {("video", "bad"): 4, ("video", "v"): 4}
    poll_for(context, clock, 180_000, step=120)
    assert watch_of(context, "bad").outcome == "given_up"


def test_a_provider_that_fails_with_every_task_is_left_alone_for_a_while(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    for number in range(50):
        context.watches.add(f"task-{number}", "video", "watch")
        provider.answers["video", f"task-{number}"] = ProviderFaultError("502", for_all=True)
    poll_for(context, clock, 600, step=10)
    assert len(provider.asked) < 20


@pytest.mark.slow
def test_a_pause_of_days_ends_no_watch_before_its_task_was_asked_about(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch")
    provider.answers["video", "v"] = WrongKeyError()
    poll_for(context, clock, 5 * 86400, step=3600)
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 1800, step=60)
    assert watch_of(context).outcome == "settled"


def test_one_fault_after_a_pause_of_days_ends_no_watch(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "video", "watch")
    clock.advance(90_000)
    provider.answers["video", "v"] = ProviderFaultError("no answer in time")
    poll_for(context, clock, 0)
    assert watch_of(context).outcome is None
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 1000)
    assert watch_of(context).outcome == "settled"


def test_a_bare_id_is_asked_about_in_all_families_after_a_pause_of_days(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    context.watches.add("v", "", "watch")
    clock.advance(90_000)
    provider.answers["video", "v"] = video_answer(origin.url + PATH)
    poll_for(context, clock, 20)
    assert watch_of(context).outcome == "settled"


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_task_that_exists_is_looked_for_in_all_families_in_every_round(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock
) -> None:
    job = {"taskId": "v", "state": "generating", "resultJson": "", "result": origin.url + "/early.bin"}
    ingest(context, json.dumps({"code": 200, "data": job}), clock())
    context.ledger.redis.hset("stemvault:2:watch:v", "family", "")
    poll_for(context, clock, 3000, step=30)
    rounds = provider.times()
    assert set(rounds) == {(family.name, "v") for family in ASKING_ORDER}
    assert min(rounds.values()) >= 2


def test_a_family_in_which_the_answer_names_the_task_is_the_right_one(
    context: WorkerContext, provider: Scripted, clock: Clock
) -> None:
    context.watches.add("m", "", "backfill")
    provider.answers["music", "m"] = music_answer("CALLBACK_EXCEPTION")
    poll_for(context, clock, 60)
    assert watch_of(context, "m").family == "music"
    assert {family for family, _ in provider.asked} == {"music"}
