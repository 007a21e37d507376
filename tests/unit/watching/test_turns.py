"""The fleet's turns at the provider: one rate, and one pause for all."""

import fakeredis
import pytest

from tests.unit.conftest import Clock
from workers.watching.turns import MAX_PAUSE, Turns
from workers.watching.watches import Watches


@pytest.fixture
def turns(redis: fakeredis.FakeRedis) -> Turns:
    return Turns(redis, rate=5, fingerprint="key-1")


def watches_of(redis: fakeredis.FakeRedis, fingerprint: str = "key-1") -> Watches:
    return Watches(redis, Turns(redis, rate=5, fingerprint=fingerprint), interval=30)


@pytest.mark.slow
def test_all_workers_together_keep_to_the_rate(redis: fakeredis.FakeRedis, clock: Clock) -> None:
    fleet = [watches_of(redis), watches_of(redis)]
    other = Turns(redis, rate=5, fingerprint="key-1")
    for number in range(500):
        fleet[0].add(f"task-{number}", "music", "watch")
    sent, began = 0, clock()
    while clock() < began + 10:
        sent += sum(bool(worker.take().watch) for worker in fleet)
        sent += other.take() == 0
        clock.advance(0.02)
    assert 48 <= sent <= 51


def test_a_refusal_pauses_all_and_one_request_finds_out_whether_it_is_over(
    redis: fakeredis.FakeRedis, clock: Clock
) -> None:
    watches = watches_of(redis)
    for number in range(3):
        watches.add(f"task-{number}", "music", "watch")
    first = watches.take().watch
    assert first
    assert watches.turns.pause("wrong_key", "401", seconds=600, sent_at=first.asked_at) == (600, True)
    clock.advance(599)
    assert watches.take().watch is None
    assert watches.turns.take() > 0
    clock.advance(2)
    probe = watches.take().watch
    assert probe
    clock.advance(1)
    assert watches.take().watch is None
    assert watches.turns.resume(sent_at=probe.asked_at) == "wrong_key"
    assert watches.take().watch
    assert watches.turns.paused() is None


def test_a_pause_doubles_while_its_reason_stays_and_has_an_end(turns: Turns, clock: Clock) -> None:
    waits = []
    for _ in range(12):
        seconds, _ = turns.pause("maintenance", "455", seconds=60, sent_at=clock())
        waits.append(seconds)
        clock.advance(seconds + 1)
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] == MAX_PAUSE


def test_refusals_of_requests_under_way_together_make_one_pause(turns: Turns, clock: Clock) -> None:
    sent_at = clock()
    clock.advance(1)
    replies = [turns.pause("rate_limited", "429", seconds=5, sent_at=sent_at) for _ in range(8)]
    assert replies == [(5, True), *[(5, False)] * 7]


def test_an_answer_to_an_older_request_does_not_end_a_pause(turns: Turns, clock: Clock) -> None:
    sent_at = clock()
    clock.advance(1)
    turns.pause("rate_limited", "429", seconds=5, sent_at=sent_at)
    assert turns.resume(sent_at=sent_at) == ""
    assert turns.paused()
    clock.advance(1)
    assert turns.resume(sent_at=clock()) == "rate_limited"


def test_another_key_is_not_kept_from_asking_by_the_pause_of_the_old_one(
    redis: fakeredis.FakeRedis, turns: Turns, clock: Clock
) -> None:
    turns.pause("wrong_key", "401", seconds=600, sent_at=clock())
    assert turns.take() > 0
    assert Turns(redis, rate=5, fingerprint="key-2").take() == 0


def test_another_reason_is_told_anew_and_begins_with_its_own_pause(turns: Turns, clock: Clock) -> None:
    turns.pause("maintenance", "455", seconds=60, sent_at=clock())
    clock.advance(70)
    assert turns.pause("wrong_key", "401", seconds=600, sent_at=clock()) == (600, True)
    paused = turns.paused()
    assert paused
    assert (paused.reason, paused.since) == ("wrong_key", clock())


def test_a_clock_that_is_set_back_does_not_lengthen_a_wait(turns: Turns, clock: Clock) -> None:
    assert turns.take() == 0
    clock.advance(-3600)
    assert turns.take() == 0
    assert 0 < turns.take() <= 0.2
    turns.pause("maintenance", "455", seconds=60, sent_at=clock())
    clock.advance(-3600)
    assert turns.take() == 60
    clock.advance(61)
    assert turns.take() == 0


def test_faults_with_one_task_pause_nothing_and_with_several_in_a_row_they_do(turns: Turns, clock: Clock) -> None:
    def fault(task_id: str) -> float:
        clock.advance(1)
        wait, _ = turns.pause("provider_fault", "", seconds=60, sent_at=clock(), task_id=task_id, different_tasks=3)
        return wait

    assert [fault("a") for _ in range(10)] == [0.0] * 10
    assert fault("b") == 0
    turns.resume(sent_at=clock())
    assert [fault(task_id) for task_id in ("a", "b", "c")] == [0, 0, 60]


def test_faults_between_which_the_provider_answers_pause_nothing(turns: Turns, clock: Clock) -> None:
    for task_id in "abcd":
        seconds, _ = turns.pause("provider_error", "", seconds=30, sent_at=clock(), task_id=task_id, different_tasks=3)
        assert seconds == 0
        clock.advance(60)
        turns.resume(sent_at=clock())


def test_pauses_of_two_keys_stand_side_by_side(redis: fakeredis.FakeRedis, turns: Turns, clock: Clock) -> None:
    other = Turns(redis, rate=5, fingerprint="key-2")
    assert turns.pause("wrong_key", "401", seconds=600, sent_at=clock()) == (600, True)
    clock.advance(1)
    assert other.take() == 0
    other.resume(sent_at=clock())
    assert turns.take() > 500
    assert [(pause.reason, pause.fingerprint) for pause in other.pauses()] == [("wrong_key", "key-1")]
    assert other.paused() is None
    clock.advance(700)
    assert turns.resume(sent_at=clock()) == "wrong_key"
    assert other.pauses() == []
