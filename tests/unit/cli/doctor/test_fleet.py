"""``stemvault doctor`` on the fleet: are watched tasks asked about?"""

import fakeredis
import pytest

from app.cli.doctor.fleet import examine_fleet
from tests.unit.conftest import Clock
from workers.liveness.signs_of_life import POLL, SignsOfLife
from workers.watching.turns import Turns
from workers.watching.watches import Watches


@pytest.fixture
def watches(redis: fakeredis.FakeRedis) -> Watches:
    return Watches(redis, Turns(redis))


def told(redis: fakeredis.FakeRedis) -> tuple[str, str] | None:
    """Give the verdict and the advice on watched tasks."""
    found = {each.name: (each.verdict, each.advice) for each in examine_fleet(redis)}
    return found.get("watched_tasks")


def test_tasks_that_are_due_while_no_worker_is_woken_to_ask_are_a_warning_that_names_the_queue(
    redis: fakeredis.FakeRedis, watches: Watches, clock: Clock
) -> None:
    assert told(redis) is None
    watches.add("a", "music", "watch")
    clock.advance(290)
    assert (told(redis) or [""])[0] == "ok"
    clock.advance(20)
    watches.turns.take()  # the console submits a task, which says nothing about the workers
    verdict, advice = told(redis) or ("", "")
    assert (verdict, "'polls'" in advice, "PROVIDER_API_KEY" in advice) == ("warn", True, True)


def test_a_long_list_of_due_tasks_is_no_warning_while_workers_ask(
    redis: fakeredis.FakeRedis, watches: Watches, clock: Clock
) -> None:
    watches.add("a", "music", "backfill")
    clock.advance(3000)
    SignsOfLife(redis).give(POLL)
    clock.advance(200)
    assert (told(redis) or [""])[0] == "ok"
    clock.advance(200)
    assert (told(redis) or [""])[0] == "warn"


def test_a_pause_of_any_key_is_told_with_its_reason(redis: fakeredis.FakeRedis, watches: Watches) -> None:
    Turns(redis, fingerprint="a worker's key").pause("wrong_key", "401", seconds=600, sent_at=watches.turns.now())
    (pause,) = [each for each in examine_fleet(redis) if each.name == "provider_paused"]
    assert (pause.verdict, pause.value) == ("warn", "wrong_key")
    assert "wrong_key (401) since" in pause.advice
