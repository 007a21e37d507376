"""Fresh URLs for assets whose URL is dead: asked for at once, every few minutes, and not for ever."""

import json
from contextlib import suppress

import pytest
from redis.exceptions import TimeoutError  # noqa: A004 - redis-py's
from structlog.testing import capture_logs

from tests.origin import Answer, Origin, film, song
from tests.unit.conftest import Clock, Sent
from tests.unit.polling.scripted import Scripted, music_answer, poll_for, video_answer, watch_of
from tests.unit.story import run, state
from workers.callbacks.assets import AssetId
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import LeaseLostError
from workers.ingest import ingest
from workers.polling.refresh import is_dead
from workers.provider.errors import NotOfferedError, RateLimitedError
from workers.watching.watches import MAX_REFRESHES, Watches

VIDEO = AssetId("v", "video")
KEY = "v/v_video.mp4"
GOOD = film(1000)


@pytest.fixture(autouse=True)
def _served(origin: Origin) -> None:
    origin.serve("/dead.mp4", Answer(status=403))
    origin.serve("/fresh.mp4", GOOD)


def announce(context: WorkerContext, url: str) -> None:
    ingest(context, json.dumps({"code": 200, "data": {"task_id": "v", "video_url": url}}), context.now())


def work_for(context: WorkerContext, clock: Clock, sent: Sent, seconds: float, *, step: float = 5.0) -> None:
    """Let the time pass, with the fleet at work: sweeps, questions to the provider, transfers."""
    until = clock() + seconds
    while clock() < until:
        run(context, sent)
        poll_for(context, clock, 0)
        run(context, sent)
        clock.advance(step)
        sweep(context)


@pytest.mark.slow
def test_a_dead_url_is_replaced_by_a_fresh_one_within_two_minutes(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    provider.answers["video", "v"] = video_answer(origin.url + "/fresh.mp4")
    announce(context, origin.url + "/dead.mp4")
    work_for(context, clock, sent, 120)
    assert context.store.read_text(KEY) == GOOD
    manifest = json.loads(context.store.read_text("v/v_manifest.json") or b"")
    assert [json.loads(each["body"]).get("polled") for each in manifest["callbacks"]] == [None, "mp4/record-info"]
    assert provider.asked == [("video", "v")]


@pytest.mark.slow
def test_an_answer_that_repeats_the_dead_url_is_followed_by_a_question_for_a_link(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    dead = origin.url + "/dead.mp4"
    provider.answers["video", "v"] = video_answer(dead)
    provider.links[dead] = origin.url + "/fresh.mp4"
    announce(context, dead)
    work_for(context, clock, sent, 120)
    assert context.store.read_text(KEY) == GOOD
    assert provider.linked == [dead]
    manifest = json.loads(context.store.read_text("v/v_manifest.json") or b"")
    assert [json.loads(each["body"]).get("fresh_links") for each in manifest["callbacks"]] == [None, 1]


@pytest.mark.slow
@pytest.mark.parametrize("link", [None, NotOfferedError()])
def test_without_a_fresh_url_the_asset_is_retried_and_rejected_and_questions_are_minutes_apart(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent, link: NotOfferedError | None
) -> None:
    dead = origin.url + "/dead.mp4"
    provider.answers["video", "v"] = video_answer(dead)
    if link:
        provider.links[dead] = link
    announce(context, dead)
    work_for(context, clock, sent, 6000, step=60)
    assert state(context, VIDEO) == ("rejected", "gone")
    assert 2 <= len(provider.asked) <= 8
    assert origin.count("/dead.mp4") == 8


@pytest.mark.slow
def test_urls_that_never_work_are_refreshed_a_limited_number_of_times(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    origin.otherwise = lambda _: Answer(status=410)
    announce(context, origin.url + "/0.mp4")
    for number in range(160):
        provider.answers["video", "v"] = video_answer(f"{origin.url}/{number + 1}.mp4")
        work_for(context, clock, sent, 60, step=60)
    assert state(context, VIDEO) == ("rejected", "gone")
    assert len(provider.asked) == MAX_REFRESHES


@pytest.mark.slow
def test_an_asset_that_expired_is_archived_from_a_fresh_url(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    origin.serve("/slow.mp4", Answer(status=503))
    provider.answers["video", "v"] = video_answer(origin.url + "/fresh.mp4")
    announce(context, f"{origin.url}/slow.mp4?Expires={int(clock() + 600)}")
    work_for(context, clock, sent, 590)
    assert provider.asked == []
    work_for(context, clock, sent, 60)
    assert context.store.read_text(KEY) == GOOD


@pytest.mark.parametrize("by_sweep", [True, False])
def test_an_asset_expires_only_when_its_fresh_url_has_been_requested(
    context: WorkerContext, origin: Origin, clock: Clock, sent: Sent, monkeypatch: pytest.MonkeyPatch, *, by_sweep: bool
) -> None:
    def answer_late(_: object) -> Answer:
        clock.advance(10)
        return Answer(status=503)

    origin.otherwise = answer_late
    announce(context, f"{origin.url}/slow.mp4?Expires={int(clock() + 600)}")
    clock.advance(601 if by_sweep else 595)

    def fail(*_: object, **__: object) -> None:
        raise TimeoutError("Redis is away")

    with monkeypatch.context() as patch:
        patch.setattr(Watches, "add", fail)
        with suppress(TimeoutError):
            sweep(context) if by_sweep else run(context, sent)
        assert state(context, VIDEO)[0] != "expired"
    for _ in range(20):
        clock.advance(60)
        sweep(context)
    assert state(context, VIDEO)[0] == "expired"
    assert context.watches.number() == 1


@pytest.mark.slow
def test_assets_that_expire_one_after_the_other_all_get_fresh_urls(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    origin.serve("/slow.mp3", Answer(status=503))
    names = {"vocal": 600, "drums": 720}
    urls = {f"{name}_url": f"{origin.url}/slow.mp3?n={name}&Expires={int(clock() + at)}" for name, at in names.items()}
    body = {"code": 200, "data": {"task_id": "s", "vocal_removal_info": urls}}
    ingest(context, json.dumps(body), clock())
    origin.serve("/fresh.mp3", song("fresh", 5))
    fresh = {f"{name}Url": f"{origin.url}/fresh.mp3?n={name}" for name in names}
    data = {"taskId": "s", "successFlag": "SUCCESS", "response": {"vocalUrl": fresh["vocalUrl"]}}
    provider.answers["separation", "s"] = {"code": 200, "data": data}
    work_for(context, clock, sent, 700)
    data["response"] = fresh
    work_for(context, clock, sent, 400)
    assert [state(context, AssetId("s", name))[0] for name in names] == ["archived", "archived"]


@pytest.mark.slow
def test_an_unfinished_task_with_a_dead_url_is_given_up_loudly(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    context.watches.add("m", "music", "watch")
    track = {"id": "a", "audioUrl": origin.url + "/dead.mp4", "duration": 10.0}
    provider.answers["music", "m"] = music_answer("FIRST_SUCCESS", track)
    with capture_logs() as logs:
        work_for(context, clock, sent, 2000, step=30)
        clock.advance(84_000)
        work_for(context, clock, sent, 2500, step=60)
    assert "watched_task_given_up" in [each["event"] for each in logs]
    assert watch_of(context, "m").outcome == "given_up"


def test_an_asset_whose_deadline_has_moved_does_not_expire(
    context: WorkerContext, origin: Origin, clock: Clock
) -> None:
    announce(context, f"{origin.url}/dead.mp4?Expires={int(clock() + 600)}")
    clock.advance(601)
    announce(context, origin.url + "/fresh.mp4")
    with pytest.raises(LeaseLostError):
        context.ledger.settle(VIDEO, "", "expired", reason="never_tried")
    assert state(context, VIDEO)[0] == "pending"


def test_a_refusal_of_links_that_concerns_all_pauses_all(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    dead = origin.url + "/dead.mp4"
    provider.answers["video", "v"] = video_answer(dead)
    provider.links[dead] = RateLimitedError()
    announce(context, dead)
    work_for(context, clock, sent, 10)
    assert context.watches.turns.paused()


@pytest.mark.slow
def test_an_asset_that_waits_for_a_busy_source_asks_for_no_fresh_url(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    origin.serve("/busy.mp4", Answer(status=503))
    announce(context, origin.url + "/busy.mp4")
    work_for(context, clock, sent, 3600, step=60)
    assert provider.asked == []


def test_a_deprecated_file_that_is_gone_asks_for_no_fresh_url(
    context: WorkerContext, provider: Scripted, origin: Origin, clock: Clock, sent: Sent
) -> None:
    track = {"id": "a", "source_audio_url": origin.url + "/dead.mp4"}
    body = {"code": 200, "data": {"task_id": "m", "callbackType": "complete", "data": [track]}}
    ingest(context, json.dumps(body), clock())
    work_for(context, clock, sent, 60)
    assert state(context, AssetId("m", "a/original")) == ("pending", "gone")
    assert provider.asked == []


@pytest.mark.parametrize(
    ("reason", "streak", "dead"),
    [("gone", 1, True), ("truncated", 2, False), ("truncated", 3, True), ("not_media", 3, True), ("slow", 20, False)],
)
def test_a_url_is_dead_if_gone_or_repeatedly_truncated_or_not_media(reason: str, streak: int, *, dead: bool) -> None:
    assert is_dead(reason, streak) is dead
