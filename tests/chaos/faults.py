"""The bad days: each fault is a function of a town and a scale, and ends with what was lost by it.

Scale 1 is what ``make chaos`` runs; ``make test`` runs the same at a tenth or so.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.embedded.processes import Process
from tests.chaos.town import OLDER_TIMERS, PART, Row, Town, content
from tests.conftest import eventually, older_version, wrong_clock
from tests.never_ending import NEVER_ENDING, never_ending
from tests.origin import Answer
from workers.callbacks.assets import AssetId
from workers.intake.received import ReceivedCallbacks
from workers.ledger.keys import PREFIX, TAKEN
from workers.liveness.repeating import repeating
from workers.liveness.signs_of_life import SignsOfLife

Fault = Callable[[Town, float], Row]

#: What a worker carries by default, and as many kinds of never-ending source as the row has, and when each is let go.
TRANSFERS, KINDS, TIMEOUT = 64, 8, 15


def _times(number: int, scale: float, *, least: int = 1) -> int:
    return max(least, round(number * scale))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def _under_load(town: Town, pause: float = 0.05) -> Iterator[None]:
    """Deliver callbacks all the while."""
    with ExitStack() as callers:
        for _ in range(3):
            callers.enter_context(repeating(lambda: town.call(1), every=pause))
        yield


def worker_killed(town: Town, scale: float) -> Row:
    """SIGKILL the worker and all its processes in mid-transfer, at random moments."""
    town.size, town.pause = 2 * PART + 1000, 0.02
    town.call_many(_times(40, scale, least=6))
    times = _times(20, scale, least=3)
    chance = random.Random(1)
    for _ in range(times):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 0)
        time.sleep(chance.uniform(0.1, 1.5))
        town.stack.restart("worker")
    return town.judge("worker SIGKILLed in mid-transfer", times, within=60)


def worker_told_to_end(town: Town, scale: float) -> Row:
    """SIGTERM, as a deploy does: what cannot end in time is handed back, and no lease has to run out."""
    town.size, town.pause = 3 * PART, 0.2
    times = _times(5, scale)
    town.call_many(_times(10, scale, least=3), stems=1)
    for _ in range(times):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 0)
        town.stack.group.processes.remove(worker := town.stack.process("worker"))
        worker.popen.send_signal(signal.SIGTERM)
        worker.popen.wait(30)
        assert town.ledger.redis.hlen(TAKEN) == 0, "something was not handed back"
        town.stack.start_worker()
    town.pause = 0.01
    return town.judge("worker SIGTERMed in mid-transfer", times, within=45)


def carrying_process_killed(town: Town, scale: float) -> Row:
    """SIGKILL the process that has the most assets in hand: all of them are taken up again at once."""
    town.size, town.pause = PART // 2, 0.3
    times = _times(5, scale)
    worker = _restarted_worker(town, MAX_TRANSFERS_PER_HOST=str(TRANSFERS))
    town.call_many(max(TRANSFERS // 2 + 10, _times(200, scale)))
    for _ in range(times):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) == TRANSFERS)
        os.kill(max(_children(worker.pid), key=_threads), signal.SIGKILL)
        before = set(town.ledger.redis.hkeys(TAKEN))
        eventually(lambda: not before <= set(town.ledger.redis.hkeys(TAKEN)), patience=5)  # noqa: B023 - called now
    town.pause = 0.01
    return town.judge(f"process with {TRANSFERS // 2} assets in hand SIGKILLed", times, within=45)


def _restarted_worker(town: Town, *arguments: str, **settings: str) -> Process:
    """Start the worker again, with these settings."""
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.kill()
    environment = {f"STEMVAULT_{name}": value for name, value in settings.items()}
    return town.stack.start_worker("worker", *arguments, environment=environment)


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def sources_never_end(town: Town, scale: float) -> Row:
    """Hold every transfer of the worker by sources that never end, of eight kinds; others are served meanwhile."""
    # With so much memory, all can be held by sources that do not say how much they will send.
    _restarted_worker(town, TRANSFER_TIMEOUT=str(TIMEOUT), TRANSFER_MEMORY="512MiB")
    kinds = NEVER_ENDING[:KINDS]
    with ExitStack() as running:
        sources = [running.enter_context(never_ending(kind, 0.05)) for kind in kinds]
        for source in sources:
            for _ in range(TRANSFERS // KINDS + 1):
                town.call(1, source=source.url)
        eventually(lambda: town.ledger.redis.hlen(TAKEN) == TRANSFERS)
        held = town.ledger.redis.hgetall(TAKEN)
        let_go_by = time.monotonic() + TIMEOUT + 5
        never = set(town.promised)
        town.call_many(_times(100, scale, least=30), stems=1)
        archived_by = time.monotonic() + 30
        eventually(lambda: not ReceivedCallbacks(town.stack.redis()).waiting(), patience=8)
        assert town.ledger.redis.hgetall(TAKEN).items() >= held.items(), "a transfer ended too early"
        eventually(lambda: (SignsOfLife(town.stack.redis()).since_sweep() or 99) < 1, patience=7)
        eventually(lambda: not held.keys() & town.ledger.redis.hkeys(TAKEN), patience=let_go_by - time.monotonic())
        eventually(
            lambda: town.promised.keys() - never <= town.stored(),
            patience=archived_by - time.monotonic(),
        )
        for source in sources:
            source.mend(town.truth)
        return town.judge(f"{TRANSFERS} transfers held by {KINDS} kinds of source that never end", TRANSFERS, within=90)


def pool_process_dies(town: Town, scale: float) -> Row:
    """One asset's process dies again and again, as by lack of memory; the others are stored meanwhile."""
    worker = _restarted_worker(town, "--concurrency", "1")
    town.origin.serve("/poison/s0.mp3", Answer(content("/poison/s0.mp3", town.size), pause=0.3, piece=16 * 1024))
    poison = AssetId("poison", "s0")
    town.call(1, name="poison")
    deaths = 0

    def dies_again() -> bool:
        nonlocal deaths
        record = town.ledger.asset(poison)
        state = record.get("state")
        assert state != "archived", "it outlived its fate"
        if state == "transferring":
            for child in _children(worker.pid):
                os.kill(child, signal.SIGKILL)
            deaths += 1
            # It may be taken up again at once.
            eventually(lambda: town.ledger.asset(poison) != record)
            if deaths == 1:
                town.call_many(_times(20, scale, least=3))
        return state == "set_aside"

    eventually(dies_again, patience=120)
    town.origin.serve("/poison/s0.mp3", content("/poison/s0.mp3", town.size))
    assert town.ledger.revive(poison, deadline=time.time() + 3600), "stemvault retry had nothing to do"
    return town.judge(f"one asset's process dies {deaths} times, set aside, then retried", deaths, within=45)


def beat_killed(town: Town, scale: float) -> Row:
    """SIGKILL the clock while sources fail, so that retries wait for it."""
    times = _times(5, scale)
    for number in range(times):
        path = f"/b{number}/s0.mp3"
        town.origin.serve(path, Answer(status=503), Answer(content(path, town.size)))
        town.call(1, name=f"b{number}")
        town.stack.restart("beat")
        time.sleep(0.5)
    return town.judge("beat SIGKILLed", times, within=45)


def gunicorn_workers_killed(town: Town, scale: float) -> Row:
    """SIGKILL gunicorn's workers under load."""
    times = _times(20, scale, least=3)
    with _under_load(town):
        for _ in range(times):
            time.sleep(0.5)
            children = eventually(lambda: _children(town.stack.process("ingress").pid))
            os.kill(random.Random(times).choice(children), signal.SIGKILL)
    return town.judge("gunicorn worker SIGKILLed under load", times, within=30)


def redis_killed(town: Town, scale: float) -> Row:
    """SIGKILL redis-server under load and start it again on its append-only file."""
    times = _times(5, scale, least=2)
    with _under_load(town):
        for _ in range(times):
            time.sleep(2)
            town.stack.group.processes.remove(redis := town.stack.process("redis"))
            redis.kill()
            time.sleep(1)
            town.stack.start_redis()
    return town.judge("redis-server SIGKILLed and restarted under load", times, within=90)


def redis_frozen(town: Town, scale: float) -> Row:
    """SIGSTOP redis-server for 20 s under load."""
    with _under_load(town):
        time.sleep(1)
        os.kill(town.stack.process("redis").pid, signal.SIGSTOP)
        time.sleep(max(4.0, 20 * scale))
        os.kill(town.stack.process("redis").pid, signal.SIGCONT)
    return town.judge("redis-server frozen under load", 1, within=60)


def redis_emptied(town: Town, scale: float) -> Row:
    """FLUSHALL after archiving: repeats of every callback download nothing again."""
    tasks = [f"f{number}" for number in range(_times(10, scale, least=3))]
    for task in tasks:
        town.call(2, name=task)
    eventually(town.quiet)
    asked = len(town.origin.requests)
    town.ledger.redis.flushall()
    for task in tasks:
        town.call(2, name=task)
    row = town.judge("redis emptied after archiving, all callbacks repeated", 1, within=30)
    assert len(town.origin.requests) == asked, "something was downloaded again"
    return row


def ingress_restarted_without_redis(town: Town, scale: float) -> Row:
    """Restart gunicorn while Redis is down: the new one keeps callbacks in the inbox until Redis is back."""
    times = _times(3, scale)
    for _ in range(times):
        town.call_many(_times(20, scale, least=3))
        town.stack.group.processes.remove(redis := town.stack.process("redis"))
        redis.kill()
        town.stack.restart("ingress")
        town.call_many(_times(20, scale, least=3))
        assert town.kept_in_inbox() > 0, "nothing came into the inbox"
        town.stack.start_redis()
    return town.judge("gunicorn restarted while Redis is down", times, within=60)


def clock_ahead(town: Town, scale: float) -> Row:
    """Run two workers, one of them on a host whose clock is many leases ahead: neither steals from the other."""
    environment = wrong_clock(town.stack.group.directory, 90)
    town.stack.start_worker("ahead", environment=environment)
    town.pause = 0.4
    with _under_load(town, 0.3):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 8)
        time.sleep(max(10.0, 60 * scale))
    row = town.judge("one worker's clock 90 s ahead", 1, within=90)
    for name in ("worker", "ahead"):
        log = town.stack.process(name).log.read_text()
        assert "asset_archived" in log, f"{name} did nothing"
        assert "lease_lost" not in log, f"{name} lost a lease"
    return row


def two_versions(town: Town, scale: float) -> Row:
    """Deploy over a fleet of the older version, with both at work for a while."""
    newer = town.stack.group.environment
    town.stack.group.environment = {**newer, **older_version(town.stack.group.directory)}
    for name in ("ingress", "beat"):
        town.stack.restart(name)
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.stop(30)
    town.stack.group.start("worker", [*town.stack.celery(), "worker"])
    town.pause = 0.4
    with _under_load(town, 0.3):
        eventually(lambda: town.ledger.redis.zcard(OLDER_TIMERS) > 2)
        assert town.ledger.redis.keys(PREFIX + "*") == [], "the newer version is at work already"
        town.stack.group.environment = newer
        town.stack.start_worker("newer")
        time.sleep(max(4.0, 20 * scale))
        for name in ("ingress", "beat"):
            town.stack.restart(name)
        time.sleep(max(4.0, 20 * scale))
        town.stack.group.processes.remove(older := town.stack.process("worker"))
        older.kill()  # what it held is adopted when its leases have ended
    town.pause = 0.0
    row = town.judge("an older and a newer version on one Redis", 1, within=60)
    assert "older_record_adopted" in town.stack.process("newer").log.read_text()
    assert town.untold() == [], "a manifest does not tell all of its task"
    return row


def redis_full(town: Town, scale: float) -> Row:
    """Fill Redis with large callbacks under load: what does not fit waits in the inbox, and the fleet drains it all."""
    redis = town.ledger.redis
    most = int(redis.info("memory")["used_memory"]) + _times(64, scale) * 1024**2
    redis.config_set("maxmemory", most)
    town.padding, town.size = 100_000, 64 * 1024
    # Twice as much as fits, so that old records have to make room for new ones.
    callbacks = 2 * most // town.padding
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.stop(30)
    town.call_many(callbacks // 2, stems=1)
    assert town.kept_in_inbox() > 0, "nothing came into the inbox"
    assert redis.info("memory")["used_memory"] < 0.9 * most, "the ingress has left the fleet no room"
    town.stack.start_worker()
    town.call_many(callbacks // 2, stems=1)
    row = town.judge("Redis filled to its maxmemory under load", 1, within=240)
    assert "broker_nearly_full" in town.stack.process("worker").log.read_text(), "nothing had to be forgotten"
    return row


def _bucket_in_mood(mood: str, fault: str, seconds: float, *, within: float) -> Fault:
    def run(town: Town, scale: float) -> Row:
        town.size = 2 * PART + 1000
        town.call_many(_times(6, scale, least=2))
        town.bucket.mood = mood
        give_up_at = time.monotonic() + max(5.0, seconds * scale)
        while time.monotonic() < give_up_at:
            town.call(1)
            time.sleep(0.5)
        town.bucket.mood = "pass"
        return town.judge(fault, max(1, town.bucket.failed), within=within)

    return run


def origin_misbehaves(town: Town, scale: float) -> Row:
    """Every bad answer of a source at once, each then followed by a good one."""
    town.size = 2 * PART + 1000
    seconds = round(max(2, 20 * scale))
    refusals = 3 if scale >= 1 else 1

    def bad(path: str) -> dict[str, list[Answer]]:
        whole = content(path, town.size)
        other = content("other", town.size)
        return {
            "truncates": [Answer(whole, announced=len(whole) + 7)] * 2,
            "stalls": [Answer(whole, stall_at=PART)],
            "says_less": [Answer(whole, announced=len(whole) - 7)],
            "resets": [Answer(whole, cut_at=PART + 99)] * 2,
            "breaks_off_resumably": [Answer(whole, etag='"v1"', cut_at=PART + 99), Answer(whole, etag='"v1"')],
            "changes": [Answer(other, etag='"v0"', cut_at=PART + 99), Answer(whole, etag='"v1"', believes_any=True)],
            "asks_for_patience": [Answer(status=429, headers={"Retry-After": str(seconds)})],
            "refuses": [Answer(status=403)] * refusals,
            "shows_a_page": [Answer(b"<html><body>one moment please</body></html>")],
            "drops_gzip": [Answer(whole, gzipped=True, cut_at=900)],
        }

    manners = list(bad(""))
    for manner in manners:
        path = f"/{manner}/s0.mp3"
        town.origin.serve(path, *bad(path)[manner], Answer(content(path, town.size), etag='"v1"'))
        town.call(1, name=manner)
    return town.judge("source truncates, stalls, lies, resets, 429, 403, HTML, changes", len(manners), within=360)


def urgent_behind_backlog(town: Town, scale: float) -> Row:
    """An asset whose URL expires in five minutes arrives behind 2,000 that have days."""
    town.size = 2000
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.kill()
    backlog = _times(2000, scale, least=240)
    town.call_many(backlog // 12, stems=12)
    town.call(1, query=f"?expires={int(time.time()) + 300}", name="hurry")
    town.stack.start_worker()
    started = time.monotonic()
    eventually(lambda: town.ledger.asset(AssetId("hurry", "s0")).get("state") == "archived", patience=250)
    seconds = time.monotonic() - started
    before = [path for path, _ in town.origin.requests].index(next(p for p, _ in town.origin.requests if "hurry" in p))
    row = town.judge(f"urgent asset behind {backlog}: stored after {seconds:.1f} s, {before} before it", 1, within=60)
    assert before < backlog / 4, "what expires first did not go first"
    return row


FAULTS: dict[str, Fault] = {
    "worker_killed": worker_killed,
    "worker_told_to_end": worker_told_to_end,
    "carrying_process_killed": carrying_process_killed,
    "sources_never_end": sources_never_end,
    "pool_process_dies": pool_process_dies,
    "beat_killed": beat_killed,
    "gunicorn_workers_killed": gunicorn_workers_killed,
    "redis_killed": redis_killed,
    "redis_frozen": redis_frozen,
    "redis_emptied": redis_emptied,
    "ingress_restarted_without_redis": ingress_restarted_without_redis,
    "clock_ahead": clock_ahead,
    "two_versions": two_versions,
    "redis_full": redis_full,
    "bucket_unavailable": _bucket_in_mood("unavailable", "S3 answers 503", 60, within=75),
    "bucket_slow": _bucket_in_mood("slow", "S3 is slow", 30, within=30),
    "bucket_resets": _bucket_in_mood("reset", "S3 resets connections in mid-part", 30, within=75),
    "bucket_forbidden": _bucket_in_mood("forbidden", "S3 credentials wrong, then right", 30, within=75),
    "origin_misbehaves": origin_misbehaves,
    "urgent_behind_backlog": urgent_behind_backlog,
}
