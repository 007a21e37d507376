"""Processes of the worker, the clock and the ingress that die or are told to end."""

import os
import random
import signal
import time
from pathlib import Path

from tests.chaos.load import scaled, under_load
from tests.chaos.town import PART, TRANSFERS, Row, Town, content
from tests.conftest import eventually
from tests.integration.conftest import children_of
from tests.origin import Answer
from workers.callbacks.assets import AssetId
from workers.ledger.storage.keys import TAKEN


def worker_killed(town: Town, scale: float) -> Row:
    """SIGKILL the worker and all its processes during transfers, at random moments."""
    town.size, town.pause = 2 * PART + 1000, 0.02
    town.call_many(scaled(40, scale, least=6))
    repeats = scaled(20, scale, least=3)
    chance = random.Random(1)
    for _ in range(repeats):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 0)
        time.sleep(chance.uniform(0.1, 1.5))
        town.stack.restart("worker")
    return town.judge("worker SIGKILLed in mid-transfer", repeats, within=60)


def worker_told_to_end(town: Town, scale: float) -> Row:
    """SIGTERM, as a deploy does: transfers that cannot end in time are handed back, so that no lease has to expire."""
    town.size, town.pause = 3 * PART, 0.2
    repeats = scaled(5, scale)
    town.call_many(scaled(10, scale, least=3), stems=1)
    for _ in range(repeats):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 0)
        town.stack.group.processes.remove(worker := town.stack.process("worker"))
        worker.popen.send_signal(signal.SIGTERM)
        worker.popen.wait(30)
        assert town.ledger.redis.hlen(TAKEN) == 0, "an asset was not handed back"
        town.stack.start_worker()
    town.pause = 0.01
    return town.judge("worker SIGTERMed in mid-transfer", repeats, within=45)


def carrying_process_killed(town: Town, scale: float) -> Row:
    """SIGKILL the process with the most transfers: other processes take its assets at once."""
    town.size, town.pause = PART // 2, 0.3
    repeats = scaled(5, scale)
    worker = town.restart_worker(MAX_TRANSFERS_PER_HOST=str(TRANSFERS))
    town.call_many(max(TRANSFERS // 2 + 10, scaled(200, scale)))
    for _ in range(repeats):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) == TRANSFERS)
        os.kill(max(children_of(worker.pid), key=_threads), signal.SIGKILL)
        before = set(town.ledger.redis.hkeys(TAKEN))
        eventually(lambda: not before <= set(town.ledger.redis.hkeys(TAKEN)), patience=5)  # noqa: B023 - called now
    town.pause = 0.01
    return town.judge(f"process with {TRANSFERS // 2} transfers SIGKILLed", repeats, within=45)


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def pool_process_dies(town: Town, scale: float) -> Row:
    """The process of one asset dies repeatedly, as by lack of memory; the other assets are stored meanwhile."""
    worker = town.restart_worker("--concurrency", "1")
    town.origin.serve("/poison/s0.mp3", Answer(content("/poison/s0.mp3", town.size), pause=0.3, piece=16 * 1024))
    poison = AssetId("poison", "s0")
    town.call(1, name="poison")
    deaths = 0

    def dies_again() -> bool:
        nonlocal deaths
        record = town.ledger.asset(poison)
        state = record.state
        assert state != "archived", "the asset was archived before it was dead-lettered"
        if state == "transferring":
            for child in children_of(worker.pid):
                os.kill(child, signal.SIGKILL)
            deaths += 1
            # Another process may take it at once.
            eventually(lambda: town.ledger.asset(poison) != record)
            if deaths == 1:
                town.call_many(scaled(20, scale, least=3))
        return state == "set_aside"

    eventually(dies_again, patience=120)
    town.origin.serve("/poison/s0.mp3", content("/poison/s0.mp3", town.size))
    assert town.ledger.revive(poison, deadline=time.time() + 3600), "stemvault retry found nothing to retry"
    return town.judge(f"one asset's process dies {deaths} times, dead-lettered, then retried", deaths, within=45)


def beat_killed(town: Town, scale: float) -> Row:
    """SIGKILL the clock while sources fail, so that retries depend on it."""
    repeats = scaled(5, scale)
    for number in range(repeats):
        path = f"/b{number}/s0.mp3"
        town.origin.serve(path, Answer(status=503), Answer(content(path, town.size)))
        town.call(1, name=f"b{number}")
        town.stack.restart("beat")
        time.sleep(0.5)
    return town.judge("beat SIGKILLed", repeats, within=45)


def gunicorn_workers_killed(town: Town, scale: float) -> Row:
    """SIGKILL gunicorn's workers under load."""
    repeats = scaled(20, scale, least=3)
    with under_load(town):
        for _ in range(repeats):
            time.sleep(0.5)
            children = eventually(lambda: children_of(town.stack.process("ingress").pid))
            os.kill(random.Random(repeats).choice(sorted(children)), signal.SIGKILL)
    return town.judge("gunicorn worker SIGKILLed under load", repeats, within=30)
