"""Growth: of costs with the number of known assets, and of memory with the size and number of assets."""

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count
from unittest.mock import patch
from uuid import uuid4

from redis import Redis

from app.embedded.stack import Stack, embedded_stack
from app.ingress.keeping.batching import open_queue
from config.settings import load_settings
from tests.benchmarks.ends import Ends
from tests.benchmarks.fleet import ours
from tests.benchmarks.measuring import in_turn, memory, peak_memory, table
from workers.callbacks import parse_callback
from workers.clock.sweep import sweep
from workers.context import WorkerContext, open_context
from workers.dispatch.queues import ASSET_QUEUES
from workers.intake.received import BODIES, DUE
from workers.ledger.storage.keys import TIMERS
from workers.ledger.values.facts import ObjectFacts
from workers.recording.expiry import deadline_of

KNOWN = (1_000, 10_000, 100_000, 1_000_000)
STEMS = 12
_REPEATS, _DUE = 300, 100
_ROUNDS = 5


def _callback(stems: int = STEMS) -> dict[str, object]:
    """Make the callback of a separation, with URLs as long as the provider's."""
    task, base = uuid4().hex, f"https://cdn.example.com/{uuid4().hex}"
    urls = {f"stem{number}_url": f"{base}/{uuid4().hex}/stem{number}.mp3" for number in range(stems)}
    return {"code": 200, "msg": "success", "data": {"task_id": task, "vocal_removal_info": urls}}


def _record(context: WorkerContext, assets: int, stems: int = STEMS) -> None:
    for _ in range(max(1, assets // stems)):
        body = json.dumps(_callback(stems))
        callback = parse_callback(json.loads(body))
        now = context.now()
        named = [
            (asset, asset.key(context.settings.layout), deadline_of(asset, received_at=now, settings=context.settings))
            for asset in callback.assets
        ]
        context.ledger.record(callback, body, named, received_at=now)


def _context_on(stack: Stack) -> WorkerContext:
    settings = {
        "STEMVAULT_REDIS_URL": stack.redis_url,
        "STEMVAULT_S3_BUCKET": "nobody-asks",
        "STEMVAULT_ALLOW_UNSIGNED": "true",
    }
    with patch.dict(os.environ, settings):
        return open_context(load_settings())


def costs() -> str:
    """Time an acknowledgement, a lease and a sweep with more and more known assets, each number in its own Redis."""
    with ExitStack() as stacks:
        contestants: dict[str, Callable[[], Mapping[str, float]]] = {}
        for known in KNOWN:
            stack = stacks.enter_context(embedded_stack({}))
            stack.start_redis()
            context = _context_on(stack)
            _record(context, known)
            contestants[f"{known:,}"] = _costs_on(context, stack)
        found = in_turn(contestants, _ROUNDS)
    first = found[f"{KNOWN[0]:,}"]
    rows = [
        [known, *(f"{spread.show(0)} · {spread.median / first[what].median:.2f}" for what, spread in costs.items())]
        for known, costs in found.items()
    ]
    what = f"sweep, {_DUE} timers due"
    head = ["assets in flight", "acknowledge, µs · ratio", "lease, µs · ratio", "sweep, nothing due", what]
    return table(head, rows)


def _costs_on(context: WorkerContext, stack: Stack) -> Callable[[], Mapping[str, float]]:
    queue = open_queue(stack.redis_url)
    redis: Redis = stack.redis()

    def measure() -> Mapping[str, float]:
        body, now = json.dumps(_callback()), context.now()
        found = {"acknowledge": _median(lambda: queue.publish(body, now))}
        redis.delete(DUE, BODIES, "callbacks")
        leases = []
        found["claim"] = _median(lambda: leases.append(context.ledger.take(ASSET_QUEUES, uuid4().hex)))
        for lease in leases:
            assert lease
            context.ledger.postpone(lease, "benchmark", streak=0, until=context.now())
            context.ledger.make_ready(lease.id)
        found["sweep"] = _median(lambda: sweep(context), repeats=50)
        members: list[str] = redis.zrandmember(TIMERS, _DUE)  # type: ignore[assignment]
        due: list[float] = []
        for _ in range(10):
            redis.zadd(TIMERS, dict.fromkeys(members, now - 1))
            due.append(_seconds(lambda: sweep(context)))
        found["sweep_due"] = statistics.median(due) * 1e6
        return found

    return measure


def _median(step: Callable[[], object], repeats: int = _REPEATS) -> float:
    return statistics.median(_seconds(step) for _ in range(repeats)) * 1e6


def _seconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def redis_bytes(assets: int = 12_000) -> str:
    """Measure an asset's memory in Redis: in flight, and after its task is settled and its manifest written."""
    rows = []
    for stems in (STEMS, 1):
        for compact in (1024, 64):
            in_flight, settled = redis_bytes_of(assets, stems=stems, compact=compact)
            rows.append([f"{assets:,}, {stems} a task", f"{in_flight:,.0f}", f"{settled:,.0f}", str(compact)])
    what = "bytes an asset in flight", "after settling", "hash-max-listpack-value"
    return table(["assets, with their task and callback", *what], rows)


def redis_bytes_of(assets: int, *, stems: int, compact: int) -> tuple[float, float]:
    """Give an asset's bytes in flight and settled, with ``stems`` a task; ``compact`` is Redis's own setting."""
    with embedded_stack({}) as stack:
        stack.start_redis()
        context = _context_on(stack)
        redis = stack.redis()
        redis.config_set("hash-max-ziplist-value", compact)

        def used() -> int:
            return int(redis.info("memory")["used_memory"])

        empty = used()
        _record(context, assets, stems)
        number = sum(context.ledger.ready().values())
        in_flight = (used() - empty) / number
        tasks = set()
        owners = count()
        while lease := context.ledger.take(ASSET_QUEUES, f"o{next(owners)}"):
            facts = ObjectFacts(4_000_000, "audio/mpeg", sha256="0" * 64)
            context.ledger.settle(lease.id, lease.owner, "archived", facts=facts)
            tasks.add(lease.id.task_id)
        for task in tasks:
            snapshot = context.ledger.snapshot(task)
            assert snapshot
            context.ledger.manifest_written(snapshot, "", remember=context.settings.ledger_retention)
        settled = (used() - empty) / number
    return in_flight, settled


def worker_memory(ends: Ends, part: int = 8 * 1024**2) -> str:
    """Measure the growth of one worker process above idle for assets of each size, smallest first."""
    rows = []
    with ours(ends, "--concurrency", "1") as running:
        growth = running.idle()
        for megabytes in (4, 40, 1024):
            running.archive([ends.file(megabytes, 0)])
            grown = growth.bytes()
            rows.append([f"{megabytes} MB", f"{grown / 1024**2:.1f}", f"{grown / part:.2f}"])
    return table(["asset", "MiB above idle", f"parts of {part // 1024**2} MiB"], rows)


def worker_processes(ends: Ends) -> str:
    """Measure a worker's speed and memory by its number of processes."""
    files = [ends.file(4, number) for number in range(100)]
    rows = []
    for processes in (1, 2, 4, 8):
        with ours(ends, "--concurrency", str(processes)) as running:
            running.warm_up(4)
            found = in_turn({"": lambda: running.archive(files)}, _ROUNDS)[""]
            idle = memory(running.worker()) / 1024**2
            with peak_memory(running.worker) as peak:
                running.archive(files)
            highest = peak[0] / 1024**2
        rows.append([str(processes), found["wall"].show(), found["cpu"].show(), f"{idle:.0f}", f"{highest:.0f}"])
    return table(["processes", "wall s", "CPU s", "MiB between assets", "peak MiB"], rows)
