"""Measurements behind decisions: processes and transfers, gunicorn's worker, Redis's fsync, part size, checksum."""

import hashlib
import os
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from awscrt import checksums

from app.embedded.stack import embedded_stack
from tests.benchmarks.ends import MIB, Ends
from tests.benchmarks.fleet import Figures, Ours, ours
from tests.benchmarks.ingress import load, signed, steady, wrk_script
from tests.benchmarks.measuring import Spread, in_turn, table

ROUNDS = 5
#: Processes that run transfers, and transfers in all.
_DIVISIONS = [(1, 64), (2, 64), (4, 64), (8, 8), (32, 32)]
#: MiB a second of each connection.
_RATE = 4


_INGRESS_HEAD = ["requests/s, 16 connections", "256 connections", "p99 ms, 256 connections", "p99 ms at 1,000/s"]


def _archiving(running: Ours, urls: list[str]) -> dict[str, Spread]:
    running.warm_up(4)
    return in_turn({"": lambda: running.archive(urls)}, ROUNDS)[""]


def _acknowledging(url: str, script: Path) -> Callable[[], Figures]:
    def measure() -> Figures:
        few, many, calm = load(url, script, 16), load(url, script, 256), steady(url)
        return {"few": few["rate"], "many": many["rate"], "p99": many["p99"], "calm": calm["p99"]}

    return measure


def _shown(found: Mapping[str, Mapping[str, Spread]]) -> list[list[str]]:
    return [[name, *(spread.show(1) for spread in figures.values())] for name, figures in found.items()]


def divisions(ends: Ends) -> str:
    """Compare many transfers in few processes with one process a transfer, with fast and with slow sources."""
    files = [ends.file(4, number) for number in range(100)]
    slow = [ends.slow(4, number, _RATE) for number in range(100)]
    rows = []
    for processes, transfers in _DIVISIONS:
        with ours(ends, "--concurrency", str(processes), TRANSFERS=str(transfers)) as running:
            found = _archiving(running, files)
            late = _archiving(running, slow)["wall"].show() if ends.nginx else "-"
            memory = running.peak_of_worker(slow if ends.nginx else files) / MIB
        name = f"{processes} × {transfers // processes}"
        rows.append([name, found["wall"].show(), found["cpu"].show(), late, f"{memory:.0f}"])
    slowly = f"100 × 4 MB at {_RATE} MiB/s a connection, s"
    return table(["processes × transfers", "100 × 4 MB, s", "CPU s", slowly, "memory of the worker then, MiB"], rows)


def parts(ends: Ends) -> str:
    """Compare part sizes by one large asset."""
    rows = []
    for megabytes in (5, 8, 16, 32):
        with ours(ends, "--concurrency", "1", PART_BYTES=f"{megabytes}MiB") as running:
            growth = running.idle()
            found = _archiving(running, [ends.file(1024, 0)])
            grown = growth.bytes() / MIB
        rows.append([f"{megabytes} MiB", found["wall"].show(), found["cpu"].show(), f"{grown:.0f}"])
    return table(["part", "1 GB, s", "CPU s", "MiB above idle"], rows)


def checksums_of_parts() -> str:
    """Compare the checksums that S3 can check."""
    part = os.urandom(8 * MIB)
    kinds: Mapping[str, Callable[[], object]] = {
        "CRC-32 (awscrt)": lambda: checksums.crc32(part),
        "CRC-32 (zlib)": lambda: zlib.crc32(part),
        "CRC-32C (awscrt)": lambda: checksums.crc32c(part),
        "CRC-64-NVME (awscrt)": lambda: checksums.crc64nvme(part),
        "SHA-1": lambda: hashlib.sha1(part, usedforsecurity=False).digest(),
        "SHA-256": lambda: hashlib.sha256(part).digest(),
    }

    def rate(check: Callable[[], object]) -> Callable[[], Figures]:
        def measure() -> Figures:
            began = time.perf_counter()
            for _ in range(10):
                check()
            return {"rate": 10 * len(part) / (time.perf_counter() - began) / 1e9}

        return measure

    found = in_turn({name: rate(check) for name, check in kinds.items()}, ROUNDS)
    return table(["checksum", "GB/s"], [[name, figures["rate"].show(1)] for name, figures in found.items()])


def gunicorn_workers(ends: Ends, directory: Path) -> str:
    """Compare gunicorn's kinds of worker under our application.

    gunicorn's default, ``sync``, is not measured: two workers of it are blocked by two clients that send nothing.
    """
    kinds = {
        "ours, on gevent": [],
        "gthread, 32 threads": ["-k", "gthread", "--threads", "32"],
    }
    script = wrk_script(directory)
    with ExitStack() as stacks:
        contestants: dict[str, Callable[[], Figures]] = {}
        for name, arguments in kinds.items():
            stack = stacks.enter_context(embedded_stack(signed(ends)))
            stack.start_redis()
            stack.start_ingress(*arguments)
            contestants[name] = _acknowledging(f"{stack.url}/callbacks", script)
        found = in_turn(contestants, ROUNDS)
    return table(["worker", *_INGRESS_HEAD], _shown(found))


def appendfsync(ends: Ends, directory: Path) -> str:
    """Measure the cost of an answer that waits for the disk: for the ingress under load, and for the fleet."""
    script = wrk_script(directory)
    files = [ends.file(4, number) for number in range(100)]
    policies = ("everysec", "always")
    with ExitStack() as stacks:
        ingress: dict[str, Callable[[], Figures]] = {}
        fleet: dict[str, Callable[[], Figures]] = {}
        for policy in policies:
            stack = stacks.enter_context(embedded_stack(signed(ends)))
            stack.start_redis()
            stack.redis().config_set("appendfsync", policy)
            stack.start_ingress()
            ingress[policy] = _acknowledging(f"{stack.url}/callbacks", script)
            running = stacks.enter_context(ours(ends))
            running.redis.config_set("appendfsync", policy)
            running.warm_up(4)
            fleet[policy] = lambda running=running: running.archive(files)  # type: ignore[misc]
        acknowledged, archived = in_turn(ingress, ROUNDS), in_turn(fleet, ROUNDS)
    both = {policy: {**acknowledged[policy], "wall": archived[policy]["wall"]} for policy in policies}
    return table(["appendfsync", *_INGRESS_HEAD, "100 × 4 MB archived, s"], _shown(both))
