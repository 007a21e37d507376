"""Acknowledging callbacks: Stemvault, and the servers that are used instead, with the same Redis."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from app.embedded.processes import Process, free_port, wait_until
from app.embedded.stack import Stack, embedded_stack
from app.ingress.authentication import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from tests.benchmarks.ends import BUCKET, Ends
from tests.benchmarks.fleet import peer_environment
from workers.intake.received import DUE

KEY = "benchmark"
BODY_BYTES = 2048
BODIES = 200
LOAD_SECONDS, STEADY_SECONDS, STEADY_RATE = 2, 3, 1000
_PEERS = Path(__file__).parent / "peers"
_REQUESTS = re.compile(r"(\d+) requests in")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_LATENCY = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s)")
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass
class Contestant:
    """A server that takes callbacks, and a count of the callbacks that it has kept."""

    name: str
    path: str
    start: Callable[[int], Process]
    kept: Callable[[], int]
    port: int = 0
    process: Process | None = None

    @property
    def url(self) -> str:
        """The URL for callbacks."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def up(self) -> None:
        """Start it, and wait until it answers."""
        self.port = free_port()
        self.process = self.start(self.port)
        with requests.Session() as http:
            http.trust_env = False
            wait_until(lambda: http.get(self.url, timeout=1).status_code, "answer", self.process)

    def down(self) -> None:
        """Kill it and all processes that it started: ``webhook`` leaves thousands."""
        if self.process:
            self.process.kill()


def signed_callbacks() -> list[tuple[bytes, dict[str, str]]]:
    """Make bodies of 2 KB, each with its headers and signature."""
    timestamp = str(int(time.time()))
    made = []
    for number in range(BODIES):
        task = f"{number:032x}"
        stems = {f"stem{stem}_url": f"https://cdn.example/{task}/stem{stem}.mp3?{'x' * 80}" for stem in range(12)}
        body = json.dumps({"code": 200, "msg": "ok", "data": {"task_id": task, "vocal_removal_info": stems}})
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: sign(KEY, task, timestamp),
        }
        made.append((body.ljust(BODY_BYTES).encode(), headers))
    return made


def wrk_script(directory: Path) -> Path:
    """Write wrk's script: the signed bodies, one after the other."""
    entries = ",\n".join(
        "{[==[" + body.decode() + "]==],{" + ",".join(f"['{name}']='{value}'" for name, value in headers.items()) + "}}"
        for body, headers in signed_callbacks()
    )
    script = directory / "callbacks.lua"
    script.write_text(
        f"local all={{{entries}}}\nlocal n=0\n"
        "request=function() n=n%#all+1; return wrk.format('POST',nil,all[n][2],all[n][1]) end\n"
    )
    return script


def load(url: str, script: Path, connections: int, seconds: int = LOAD_SECONDS) -> dict[str, float]:
    """Send as many requests as the server takes; give requests a second, and median and p99 latency in ms."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    latency = {f"p{share}": float(value) * _MS[unit] for share, value, unit in _LATENCY.findall(told)}
    return {"rate": _acknowledged(told) / seconds, **latency}


def _acknowledged(told: str) -> int:
    done, refused = _REQUESTS.search(told), _REFUSED.search(told)
    assert done, told
    return int(done[1]) - (int(refused[1]) if refused else 0)


def lost_when_killed(contestant: Contestant, script: Path) -> dict[str, float]:
    """Kill the server under load; compare the callbacks that it acknowledged with those that were kept."""
    contestant.up()
    before = contestant.kept()
    command = ["wrk", "-t1", "-c256", "-d4s", "-s", str(script), contestant.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        time.sleep(2)
        contestant.down()
        told, _ = wrk.communicate()
    kept, last = contestant.kept() - before, -1
    while kept != last:  # requests that were being processed may still be kept
        time.sleep(1)
        kept, last = contestant.kept() - before, kept
    acknowledged = _acknowledged(told)
    return {"acknowledged": acknowledged, "lost": max(0, acknowledged - kept)}


def steady(url: str, rate: int = STEADY_RATE, seconds: int = STEADY_SECONDS) -> dict[str, float]:
    """Send ``rate`` requests a second, also if answers are late; give latencies from each due time, in ms."""
    return asyncio.run(_steady(url, rate, seconds))


async def _steady(url: str, rate: int, seconds: int) -> dict[str, float]:
    host, _, path = url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    messages = [
        f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n".encode()
        + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        + b"\r\n"
        + body
        for body, headers in signed_callbacks()
    ]
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait(await asyncio.open_connection(address, int(port)))
    latencies: list[float] = []

    async def send(message: bytes, due: float) -> None:
        reader, writer = await free.get()
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        latencies.append((time.perf_counter() - due) * 1000)
        assert head.startswith(b"HTTP/1.1 200"), head
        free.put_nowait((reader, writer))

    began = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            due = began + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(send(messages[number % BODIES], due))
    while not free.empty():
        free.get_nowait()[1].close()
    latencies.sort()
    return {f"p{share}": latencies[len(latencies) * share // 100] for share in (50, 99)}


def signed(ends: Ends) -> dict[str, str]:
    """Give the settings with which Stemvault takes the signed bodies for a whole day."""
    return {
        "AWS_ENDPOINT_URL_S3": ends.s3_url,
        "STEMVAULT_S3_BUCKET": BUCKET,
        "STEMVAULT_WEBHOOK_HMAC_KEYS": KEY,
        "STEMVAULT_SIGNATURE_TOLERANCE": "1d",
    }


@contextmanager
def contestants(ends: Ends, peers: Path) -> Iterator[dict[str, Contestant]]:
    """Prepare Stemvault and the installed peers (``peers`` is the ``bin`` of their environment)."""
    with ExitStack() as stacks:
        stack = stacks.enter_context(embedded_stack(signed(ends)))
        stack.start_redis()
        yield {each.name: each for each in _contestants(stack, peers)}


def _contestants(stack: Stack, peers: Path) -> Iterator[Contestant]:
    redis = stack.redis()

    def listed() -> int:
        return int(redis.llen("peers"))

    def ours(port: int) -> Process:
        return stack.group.start("ingress", stack.gunicorn(), environment={"STEMVAULT_BIND": f"127.0.0.1:{port}"})

    yield Contestant("Stemvault", "/callbacks", ours, lambda: int(redis.zcard(DUE)))

    own: Mapping[str, str] = {**peer_environment(), "REDIS_URL": stack.redis_url, "PYTHONPATH": str(_PEERS)}

    def server(name: str, command: list[str]) -> Callable[[int], Process]:
        def start(port: int) -> Process:
            filled = [word.format(port=port) for word in [str(peers / command[0]), *command[1:]]]
            return stack.group.start(name, filled, environment=own)

        return start

    for name, factory in {"bare Flask": "bare", "Flask + task.delay": "delay", "Flask + LPUSH": "lpush"}.items():
        command = ["gunicorn", "-k", "gevent", "-w", "2", "-b", "127.0.0.1:{port}", f"ingress:{factory}()"]
        yield Contestant(name, "/callbacks", server(factory, command), listed)
    command = ["uvicorn", "--factory", "--workers", "2", "--port", "{port}", "--no-access-log", "ingress:fastapi"]
    yield Contestant("FastAPI + LPUSH", "/callbacks", server("fastapi", command), listed)
    if webhook := shutil.which("webhook"):
        yield _webhook(stack, webhook)


def _webhook(stack: Stack, webhook: str) -> Contestant:
    """Have adnanh/webhook append each body to a file."""
    kept = stack.group.directory / "kept-by-webhook"
    kept.touch()
    script = stack.group.directory / "keep.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {kept}\n')
    script.chmod(0o755)
    hooks = stack.group.directory / "hooks.json"
    body = {"source": "entire-payload"}
    hooks.write_text(json.dumps([{"id": "keep", "execute-command": str(script), "pass-arguments-to-command": [body]}]))

    def start(port: int) -> Process:
        words = [webhook, "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)]
        return stack.group.start("webhook", words)

    def lines() -> int:
        with suppress(OSError), kept.open("rb") as file:
            return sum(1 for _ in file)
        return 0

    return Contestant("webhook", "/hooks/keep", start, lines)
