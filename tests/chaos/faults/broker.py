"""Redis is killed, frozen, emptied, away or full."""

import os
import signal
import time

from tests.chaos.load import scaled, under_load
from tests.chaos.town import Row, Town
from tests.conftest import eventually


def redis_killed(town: Town, scale: float) -> Row:
    """SIGKILL redis-server under load and start it again on its append-only file."""
    repeats = scaled(5, scale, least=2)
    with under_load(town):
        for _ in range(repeats):
            time.sleep(2)
            town.stack.group.processes.remove(redis := town.stack.process("redis"))
            redis.kill()
            time.sleep(1)
            town.stack.start_redis()
    return town.judge("redis-server SIGKILLed and restarted under load", repeats, within=90)


def redis_frozen(town: Town, scale: float) -> Row:
    """SIGSTOP redis-server for 20 s under load."""
    with under_load(town):
        time.sleep(1)
        os.kill(town.stack.process("redis").pid, signal.SIGSTOP)
        time.sleep(max(4.0, 20 * scale))
        os.kill(town.stack.process("redis").pid, signal.SIGCONT)
    return town.judge("redis-server frozen under load", 1, within=60)


def redis_emptied(town: Town, scale: float) -> Row:
    """FLUSHALL after archiving: repeats of every callback download nothing again."""
    tasks = [f"f{number}" for number in range(scaled(10, scale, least=3))]
    for task in tasks:
        town.call(2, name=task)
    eventually(town.quiet)
    asked = len(town.origin.requests)
    town.ledger.redis.flushall()
    for task in tasks:
        town.call(2, name=task)
    row = town.judge("redis emptied after archiving, all callbacks repeated", 1, within=30)
    assert len(town.origin.requests) == asked, "an asset was downloaded again"
    return row


def ingress_restarted_without_redis(town: Town, scale: float) -> Row:
    """Restart gunicorn while Redis is down: the new process keeps callbacks in the inbox until Redis is back."""
    repeats = scaled(3, scale)
    for _ in range(repeats):
        town.call_many(scaled(20, scale, least=3))
        town.stack.group.processes.remove(redis := town.stack.process("redis"))
        redis.kill()
        town.stack.restart("ingress")
        town.call_many(scaled(20, scale, least=3))
        assert town.kept_in_inbox() > 0, "no callback was kept in the inbox"
        town.stack.start_redis()
    return town.judge("gunicorn restarted while Redis is down", repeats, within=60)


def redis_full(town: Town, scale: float) -> Row:
    """Fill Redis with large callbacks: those that do not fit wait in the inbox, and the fleet drains all of them."""
    redis = town.ledger.redis
    most = int(redis.info("memory")["used_memory"]) + scaled(64, scale) * 1024**2
    redis.config_set("maxmemory", most)
    town.padding, town.size = 100_000, 64 * 1024
    # Twice as much as fits, so that the sweep has to forget old records.
    callbacks = 2 * most // town.padding
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.stop(30)
    town.call_many(callbacks // 2, stems=1)
    assert town.kept_in_inbox() > 0, "no callback was kept in the inbox"
    assert redis.info("memory")["used_memory"] < 0.9 * most, "the ingress has left the fleet no memory"
    town.stack.start_worker()
    town.call_many(callbacks // 2, stems=1)
    row = town.judge("Redis filled to its maxmemory under load", 1, within=240)
    assert "broker_nearly_full" in town.stack.process("worker").log.read_text(), "the sweep had to forget nothing"
    return row
