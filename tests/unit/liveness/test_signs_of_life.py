"""Heartbeats in Redis: living processes, silent ones, and the last sweep."""

import fakeredis
import pytest

from tests.conftest import eventually
from workers.liveness import signs_of_life
from workers.liveness.signs_of_life import CLOCK, KEY, SILENCE, SWEEP, WORKER, SignsOfLife, heartbeat, own_name


@pytest.fixture
def signs(redis: fakeredis.FakeRedis) -> SignsOfLife:
    return SignsOfLife(redis)


def age(redis: fakeredis.FakeRedis, member: str, seconds: float) -> None:
    """Make a process's last heartbeat ``seconds`` older."""
    redis.zincrby(KEY, -seconds, member)


def test_processes_with_signs_of_life_are_listed_by_role(signs: SignsOfLife) -> None:
    signs.give(WORKER, "a:1")
    signs.give(WORKER, "b:1")
    signs.give(CLOCK, "a:2")
    assert sorted(signs.there(WORKER)) == ["a:1", "b:1"]
    assert signs.there(CLOCK) == ["a:2"]
    signs.end(WORKER, "a:1")
    assert signs.there(WORKER) == ["b:1"]


def test_a_process_without_recent_signs_of_life_is_absent_and_deleted_later(
    signs: SignsOfLife, redis: fakeredis.FakeRedis
) -> None:
    signs.give(WORKER, "a:1")
    age(redis, f"{WORKER} a:1", SILENCE + 1)
    assert signs.there(WORKER) == []
    assert redis.zcard(KEY) == 1
    age(redis, f"{WORKER} a:1", 3600)
    signs.give(WORKER, "b:1")
    assert redis.zrange(KEY, 0, -1) == [f"{WORKER} b:1"]


def test_the_time_since_the_last_sweep_is_told(signs: SignsOfLife, redis: fakeredis.FakeRedis) -> None:
    assert signs.since(SWEEP) is None
    signs.give(SWEEP)
    age(redis, f"{SWEEP} ", 60)
    assert signs.since(SWEEP) == pytest.approx(60, abs=5)


def test_a_heartbeat_goes_on_and_says_when_it_ends(
    signs: SignsOfLife, redis: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs_of_life, "INTERVAL", 0.01)
    with heartbeat(redis, WORKER):
        for _ in range(2):
            eventually(lambda: signs.there(WORKER) == [own_name()])
            redis.delete(KEY)
    assert signs.there(WORKER) == []
