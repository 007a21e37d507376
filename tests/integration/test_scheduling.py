"""With more work than time, few assets expire: the real scripts on a real Redis, with a clock that the test sets."""

import heapq
import random
from collections.abc import Callable

import pytest
import redis as redis_py

from app.embedded.stack import embedded_stack
from tests.unit.conftest import START
from workers.callbacks import Callback
from workers.callbacks.assets import Asset
from workers.dispatch.queues import ASSET_QUEUES
from workers.ledger.ledger import Ledger
from workers.ledger.storage import scripts

ASSETS, PER_TASK = 20_000, 100
#: The seconds of a transfer, and how many run at a time: work for 20,000 s. The deadlines leave less time.
SECONDS, WORKERS = 8.0, 8


def backlog() -> list[float]:
    """Give the deadlines: a third within the hour, a third within three, the rest within days."""
    chance = random.Random(7)
    spans = [(60, 3600), (3600, 3 * 3600), (3 * 3600, 5 * 86400)]
    return [START + chance.randint(*spans[number % 3]) for number in range(ASSETS)]


def expired(next_deadline: Callable[[float], float | None]) -> int:
    """Run the fleet over the backlog and count the assets that were not begun before their deadline."""
    free = [START] * WORKERS
    done = 0
    while True:
        now = heapq.heappop(free)
        deadline = next_deadline(now)
        if deadline is None:
            return ASSETS - done
        if deadline > now:
            done += 1
            now += SECONDS
        heapq.heappush(free, now)


def first_in_first_out(deadlines: list[float]) -> int:
    waiting = iter(deadlines)
    return expired(lambda _: next(waiting, None))


def theoretical_minimum(deadlines: list[float]) -> int:
    """Count by matching: jobs of one length miss fewest deadlines if each takes the latest free turn before its own.

    A turn is one worker's, every ``SECONDS``; the latest free one is found by union-find.
    """
    turns = sorted(START + SECONDS * turn for turn in range(ASSETS // WORKERS + 1) for _ in range(WORKERS))
    parent = list(range(len(turns) + 1))

    def find(turn: int) -> int:
        while parent[turn] != turn:
            parent[turn] = parent[parent[turn]]
            turn = parent[turn]
        return turn

    missed = 0
    for deadline in sorted(deadlines):
        latest = find(_turns_before(turns, deadline))
        if latest == 0:
            missed += 1
        else:
            parent[latest] = latest - 1
    return missed


def _turns_before(turns: list[float], deadline: float) -> int:
    low, high = 0, len(turns)
    while low < high:
        middle = (low + high) // 2
        if turns[middle] < deadline:
            low = middle + 1
        else:
            high = middle
    return low


@pytest.mark.timeout(240)
def test_an_overloaded_fleet_lets_only_the_theoretical_minimum_of_assets_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Days pass within seconds: the scripts read a time that the test sets.
    settable = "local function clock() return tonumber(redis.call('GET', 'clock')) end\n"
    text_of = scripts.text
    monkeypatch.setattr(scripts, "text", lambda name: settable if name == "clock" else text_of(name))
    deadlines = backlog()
    with embedded_stack({}) as stack:
        stack.start_redis()
        client: redis_py.Redis = stack.redis()
        # Nothing here outlives Redis, and 60,000 writes to the disk took most of the time.
        client.config_set("appendonly", "no")
        ledger = Ledger(client)
        client.set("clock", START)
        for task in range(ASSETS // PER_TASK):
            mine = deadlines[task * PER_TASK : (task + 1) * PER_TASK]
            named = [
                (Asset(f"t{task}", None, f"s{number}", "mp3", "http://h/x"), f"k{number}", deadline)
                for number, deadline in enumerate(mine)
            ]
            callback = Callback(f"t{task}", "separation", "complete", 200)
            ledger.record(callback, "{}", named, received_at=START)

        def take(now: float) -> float | None:
            client.set("clock", now)
            lease = ledger.take(ASSET_QUEUES, f"{now}-{random.random()}")
            if lease is None:
                return None
            ledger.settle(lease.id, lease.owner, "archived")
            return lease.deadline

        ours = expired(take)
    fifo, least = first_in_first_out(deadlines), theoretical_minimum(deadlines)
    print(f"\nOf {ASSETS} assets expire: {ours} (first in, first out: {fifo}; theoretical minimum: {least})")  # noqa: T201
    assert ours == least
    assert ours < fifo / 2
