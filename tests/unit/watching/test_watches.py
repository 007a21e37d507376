"""Watched tasks in Redis: when each is due, and who takes it."""

import fakeredis
import pytest

from tests.unit.conftest import START, Clock
from workers.watching.turns import Turns
from workers.watching.watches import MAX_DEAD_LETTERS, MAX_REFRESHES, REFRESH_EVERY, Watches

RATE = 1000.0


@pytest.fixture
def watches(redis: fakeredis.FakeRedis) -> Watches:
    return Watches(redis, Turns(redis, rate=RATE, fingerprint="a"), interval=30, give_up=86400)


def taken(watches: Watches, clock: Clock) -> list[str]:
    """Take all that is due, and name it."""
    names = []
    while (reply := watches.take()).watch or reply.wait:
        if reply.watch:
            names.append(reply.watch.task_id)
        clock.advance(reply.wait or 0.001)
    return names


def test_a_watched_task_is_due_after_its_time_and_then_at_each_interval(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "watch", after=30)
    assert taken(watches, clock) == []
    clock.advance(30)
    assert taken(watches, clock) == ["a"]
    clock.advance(29)
    assert taken(watches, clock) == []
    clock.advance(1)
    assert taken(watches, clock) == ["a"]


def test_a_task_is_asked_about_again_when_its_worker_has_died(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "watch")
    first = watches.take().watch
    assert first
    clock.advance(30)
    second = watches.take().watch
    assert second
    assert (first.asked, second.asked) == (1, 2)
    assert second.asked_at - first.asked_at >= 30


def test_a_task_that_is_watched_twice_is_asked_about_once_an_interval(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "reconcile", after=1800)
    watches.add("a", "music", "watch")
    assert taken(watches, clock) == ["a"]
    watches.add("a", "music", "watch")
    clock.advance(20)
    watches.add("a", "", "refresh")
    assert taken(watches, clock) == []
    clock.advance(10)
    assert taken(watches, clock) == ["a"]


def test_the_stronger_purpose_counts_and_a_known_family_stays(watches: Watches) -> None:
    watches.add("a", "", "reconcile")
    watches.add("a", "music", "watch")
    watches.add("a", "", "reconcile")
    watch = next(watches.states(["a"]))
    assert watch
    assert (watch.purpose, watch.family, watch.outcome) == ("watch", "music", None)


def test_a_watch_that_has_ended_is_not_asked_about_and_tells_how_it_ended(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "watch")
    assert watches.end("a", "gone", "unknown_task")
    assert not watches.end("a", "settled")
    assert taken(watches, clock) == []
    watches.postpone("a", 0)
    assert taken(watches, clock) == []
    watch = next(watches.states(["a"]))
    assert watch
    assert (watch.outcome, watch.reason) == ("gone", "unknown_task")
    assert watches.number() == 0


def test_a_task_can_be_watched_again_after_its_end(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "watch")
    watches.end("a", "gone", "unknown_task")
    clock.advance(100)
    watches.add("a", "music", "backfill")
    watch = watches.take().watch
    assert watch
    assert (watch.outcome, watch.since, watch.purpose, watch.asked) == (None, START + 100, "backfill", 1)


def test_a_callback_ends_a_watch_but_no_refresh(watches: Watches) -> None:
    watches.add("a", "music", "watch")
    watches.add("b", "music", "refresh")
    assert watches.end("a", "settled", by_callback=True)
    assert not watches.end("b", "settled", by_callback=True)
    assert watches.number() == 1


@pytest.mark.slow
def test_a_refresh_that_is_wanted_too_early_waits_and_serves_all_and_their_number_is_limited(
    watches: Watches, clock: Clock
) -> None:
    began, asked = clock(), []
    while clock() < began + 3 * MAX_REFRESHES * REFRESH_EVERY:
        watches.add("a", "music", "refresh")
        watches.add("a", "music", "refresh")
        if watch := watches.take().watch:
            asked.append(watch.asked_at - began)
            watches.end("a", "settled")
        clock.advance(60)
    assert len(asked) == MAX_REFRESHES
    assert asked[:3] == [0, REFRESH_EVERY, 2 * REFRESH_EVERY]


def test_a_refresh_that_is_wanted_during_a_request_comes_after_it(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "reconcile")
    assert watches.take().watch
    clock.advance(1)
    watches.add("a", "music", "refresh")
    assert not watches.end("a", "settled")
    clock.advance(30)
    watch = watches.take().watch
    assert watch
    assert watch.purpose == "refresh"
    assert watches.end("a", "settled")


def test_of_many_dead_letters_only_some_a_minute_are_watched(watches: Watches, clock: Clock) -> None:
    watched = [watches.add(f"letter-{number}", "", "dead_letter") for number in range(100)]
    assert sum(watched) == MAX_DEAD_LETTERS
    clock.advance(61)
    assert watches.add("another", "", "dead_letter")
    assert watches.add("a", "music", "refresh")


@pytest.mark.slow
def test_a_task_is_due_more_rarely_as_it_ages_also_if_its_worker_always_dies(watches: Watches, clock: Clock) -> None:
    watches.add("a", "music", "watch")
    asked = 0
    for _ in range(86400 // 120):
        asked += bool(watches.take().watch)
        clock.advance(120)
    assert 90 < asked < 200


@pytest.mark.slow
def test_a_bare_id_is_asked_about_in_one_family_after_the_other_without_a_wait(watches: Watches) -> None:
    watches.add("a", "", "backfill")
    first = watches.take().watch
    assert first
    watches.not_of_family(first, "music")
    while not (second := watches.take()).watch:
        assert second.wait is not None
        assert second.wait < 1
        watches_clock(watches).advance(second.wait)
    watches.not_of_family(second.watch, "jobs")
    watch = next(watches.states(["a"]))
    assert watch
    assert watch.tried == ("music", "jobs")
    watches.exists(watch, "wav")
    watch = next(watches.states(["a"]))
    assert watch
    assert (watch.tried, watch.family, watch.exists) == ((), "wav", True)


def watches_clock(watches: Watches) -> Clock:
    clock: Clock = watches._redis.clock  # type: ignore[attr-defined]  # noqa: SLF001 - the fake Redis's
    return clock


@pytest.mark.slow
def test_an_answer_to_an_earlier_request_does_not_end_a_watch_for_a_stronger_purpose(watches: Watches) -> None:
    watches.add("a", "music", "refresh")
    taken_watch = watches.take().watch
    assert taken_watch
    watches.add("a", "music", "watch")
    assert not watches.end("a", "settled", "still_running", only=taken_watch.purpose)
    assert watches.number() == 1


@pytest.mark.slow
def test_after_a_pause_the_probe_is_about_a_task_that_has_not_failed(watches: Watches, clock: Clock) -> None:
    for name in ("a", "b", "c", "good"):
        watches.add(name, "music", "watch")
    for name in ("a", "b", "c"):
        watches.turns.pause("fault", "", seconds=60, sent_at=clock(), task_id=name, different_tasks=3)
    assert watches.take().wait
    clock.advance(61)
    probe = watches.take().watch
    assert probe
    assert probe.task_id == "good"
