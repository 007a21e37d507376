"""Watches that change while a request about them is under way, and a clock that is set back."""

import pytest

from tests.unit.conftest import Clock
from workers.context import WorkerContext
from workers.watching.watches import REFRESH_EVERY, Watch, Watches


@pytest.fixture
def watches(context: WorkerContext) -> Watches:
    return context.watches


def asked(watches: Watches) -> Watch:
    """Take the watch that is due, as a worker does before it sends its request."""
    taken = watches.take().watch
    assert taken
    return taken


def state(watches: Watches) -> Watch:
    found = next(watches.states(["a"]))
    assert found
    return found


@pytest.mark.parametrize("by_callback", [True, False])
def test_a_refresh_outlives_the_watch_that_it_was_merged_with(
    watches: Watches, clock: Clock, *, by_callback: bool
) -> None:
    watches.add("a", "video", "watch")
    clock.advance(80_000)
    watches.add("a", "video", "refresh")
    asked(watches)  # this request gets no answer
    outcome = ("settled", "") if by_callback else ("given_up", "unfinished")
    assert not watches.end("a", *outcome, by_callback=by_callback)  # type: ignore[arg-type]
    assert (state(watches).purpose, state(watches).outcome) == ("refresh", None)
    assert state(watches).until == pytest.approx(clock() + 86_400)
    clock.advance(1000)
    answered = asked(watches)
    assert watches.end("a", "settled", since=answered.since)
    assert state(watches).outcome == "settled"


def test_an_answer_to_a_request_that_was_sent_before_ends_no_refresh(watches: Watches, clock: Clock) -> None:
    watches.add("a", "video", "watch")
    first = asked(watches)  # to record its answer takes 40 s
    clock.advance(10)
    watches.add("a", "video", "refresh")
    clock.advance(25)
    second = asked(watches)
    clock.advance(5)
    assert not watches.end("a", "settled", since=first.since, asked_at=first.asked_at)
    assert watches.end("a", "settled", since=second.since, asked_at=second.asked_at)


@pytest.mark.parametrize("by_callback", [True, False])
def test_a_refresh_that_goes_on_alone_keeps_the_interval(watches: Watches, clock: Clock, *, by_callback: bool) -> None:
    watches.add("a", "video", "watch")
    first = asked(watches)
    clock.advance(1)
    watches.add("a", "video", "refresh")
    clock.advance(1)
    assert not watches.end("a", "settled", by_callback=by_callback)
    due = watches.next_request("a")
    assert due is not None
    assert due - first.asked_at == pytest.approx(watches.interval)


@pytest.mark.parametrize("by_callback", [True, False])
def test_a_refresh_that_is_wanted_after_one_has_ended_outlives_a_callback(
    watches: Watches, clock: Clock, *, by_callback: bool
) -> None:
    watches.add("a", "video", "refresh")  # during a pause: it is never asked for
    clock.advance(86_500)
    if by_callback:
        assert watches.end("a", "settled", by_callback=True)
        watches.add("a", "video", "reconcile", after=1800)
    assert watches.add("a", "video", "refresh")
    asked(watches)  # this request gets no answer
    clock.advance(5)
    assert not watches.end("a", "settled", by_callback=True)


@pytest.mark.parametrize("is_wanted_before", [True, False])
def test_an_answer_of_an_unfinished_task_serves_its_refresh(
    watches: Watches, clock: Clock, *, is_wanted_before: bool
) -> None:
    watches.add("a", "video", "watch")
    if is_wanted_before:
        watches.add("a", "video", "refresh")
    answered = asked(watches)
    clock.advance(1)
    if not is_wanted_before:
        watches.add("a", "video", "refresh")
    watches.answered(answered)
    assert watches.end("a", "settled", by_callback=True) is is_wanted_before


def test_a_refresh_without_any_answer_is_given_up_after_its_time(watches: Watches, clock: Clock) -> None:
    watches.add("a", "video", "refresh")
    clock.advance(86_401)
    asked(watches)
    assert watches.end("a", "given_up", "unfinished", only="refresh")


def test_an_answer_to_an_old_request_ends_no_newer_watch(watches: Watches, clock: Clock) -> None:
    watches.add("a", "video", "watch")
    old = asked(watches)
    watches.end("a", "settled", by_callback=True)
    clock.advance(1)
    watches.add("a", "video", "watch")
    assert not watches.end("a", "given_up", "unfinished", only="watch", since=old.since)
    watches.not_of_family(old, "video")
    assert state(watches).tried == ()


def test_an_answer_about_a_task_that_redis_has_forgotten_leaves_no_record(
    watches: Watches, context: WorkerContext
) -> None:
    watches.add("a", "", "watch")
    watch = asked(watches)
    context.ledger.redis.flushall()
    watches.not_of_family(watch, "video")
    watches.unknown(watch, 1)
    watches.exists(watch, "video")
    assert list(watches.states(["a"])) == [None]
    assert watches.next_request("a") is None


def test_a_clock_that_is_set_back_delays_no_refresh(watches: Watches, clock: Clock) -> None:
    watches.add("a", "video", "refresh")
    answered = asked(watches)
    watches.end("a", "settled", since=answered.since)
    clock.advance(-86_400)
    watches.add("a", "video", "refresh")
    due = watches.next_request("a")
    assert due is not None
    assert due - clock() <= REFRESH_EVERY + watches.interval


def test_a_task_that_is_watched_again_is_not_known_to_exist(watches: Watches) -> None:
    watches.add("a", "", "watch")
    watches.exists(asked(watches), "video")
    watches.end("a", "settled")
    watches.add("a", "", "watch")
    assert not state(watches).exists
