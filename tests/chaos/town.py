"""The system under a fault: all processes, a bucket that can fail, an origin, and a provider that sends callbacks.

A town records the assets of every acknowledged callback, so at the end it can count the assets that were lost or stored
twice, and the multipart uploads that were left behind.
"""

import hashlib
import json
import math
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

import requests

from app.embedded.processes import Process, StartError
from app.embedded.stack import BUCKET, Stack, embedded_stack
from tests.conftest import eventually
from tests.integration.conftest import LOCAL
from tests.origin import Answer, Origin, running_origin, song
from tests.s3proxy import Bucket, moody_bucket
from workers.intake.received import ReceivedCallbacks
from workers.ledger.ledger import Ledger
from workers.liveness.repeating import repeating

PART = 5 * 1024**2
#: Transfers of a worker by default.
TRANSFERS = 64
#: The timers of version 0.1.0.
OLDER_TIMERS = "stemvault:alarms"
#: Seconds. Short, because recovery from a dead worker takes one and a half leases.
LEASE = 6.0
SETTINGS = {
    **LOCAL,
    "STEMVAULT_PART_BYTES": str(PART),
    "STEMVAULT_LEASE": str(LEASE),
    "STEMVAULT_SHUTDOWN_GRACE": "3",
}


@cache
def _noise(size: int) -> bytes:
    blocks = (hashlib.sha256(number.to_bytes(8)).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def content(path: str, size: int) -> bytes:
    """Make a file that differs for each path."""
    head = song(path, 1)
    return head + _noise(max(0, size - len(head)))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    fault: str
    injected: int
    acknowledged: int
    stored: int
    lost: int
    twice: int
    orphans: int
    recovery: float
    """Seconds until everything was settled; infinite if that took longer than ``within``."""
    within: float
    """The seconds that recovery may take."""

    @property
    def good(self) -> bool:
        """Whether everything was settled in time, and nothing was lost, stored twice or left behind."""
        return self.recovery <= self.within and not (self.lost or self.twice or self.orphans)


@dataclass
class Town:
    """The processes, and the assets that were promised to the provider."""

    stack: Stack
    origin: Origin
    bucket: Bucket
    promised: dict[str, str] = field(default_factory=dict)
    """Key → path at the origin, of every asset of every acknowledged callback."""
    acknowledged: int = 0
    size: int = PART // 8
    padding: int = 0
    """Characters that each callback has beside its URLs; they do not compress well."""
    pause: float = 0.0

    @property
    def ledger(self) -> Ledger:
        """The ledger, for reading."""
        return Ledger(self.stack.redis())

    def serve(self, path: str) -> Answer:
        """Give the origin's good answer for a path: a file of this town's size, sent with this town's pauses."""
        path = path.partition("?")[0]
        return Answer(content(path, self.size), etag=f'"{path}"', pause=self.pause, piece=256 * 1024)

    def call(self, stems: int = 2, *, query: str = "", name: str = "", source: str = "") -> bool:
        """Deliver one callback as the provider does: after a failure again, at most three times."""
        task = name or f"t{uuid4().hex[:12]}"
        paths = {f"s{number}": f"/{task}/s{number}.mp3" for number in range(stems)}
        urls = {f"{stem}_url": (source or self.origin.url) + path + query for stem, path in paths.items()}
        body: dict[str, Any] = {"code": 200, "msg": "", "data": {"task_id": task, "vocal_removal_info": urls}}
        if self.padding:
            body["padding"] = secrets.token_hex(self.padding // 2)
        if not self.deliver(body):
            return False
        self.promised |= {f"{task}/{task}_{stem}.mp3": path for stem, path in paths.items()}
        return True

    def deliver(self, body: dict[str, Any]) -> bool:
        """Post a body until it is acknowledged, at most four times."""
        for _ in range(4):
            with suppress(requests.RequestException):
                if requests.post(f"{self.stack.url}/callbacks", json=body, timeout=15).status_code == 200:
                    self.acknowledged += 1
                    return True
            time.sleep(0.3)
        return False

    def call_many(self, count: int, stems: int = 2) -> None:
        """Deliver callbacks from several connections at once."""
        with ThreadPoolExecutor(8) as callers:
            list(callers.map(lambda _: self.call(stems), range(count)))

    def restart_worker(self, *arguments: str, **settings: str) -> Process:
        """Kill the worker and start it again with these arguments and settings."""
        self.stack.group.processes.remove(worker := self.stack.process("worker"))
        worker.kill()
        environment = {f"STEMVAULT_{name}": value for name, value in settings.items()}
        return self.stack.start_worker("worker", *arguments, environment=environment)

    def stored(self) -> set[str]:
        """Give all keys in the bucket."""
        pages = self.stack.s3().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def missing(self) -> list[str]:
        """Give the keys of promised assets that are not in the bucket byte for byte."""
        s3 = self.stack.s3()
        wrong = []
        for key, path in self.promised.items():
            try:
                found = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except s3.exceptions.NoSuchKey:
                wrong.append(key)
                continue
            if found != self.truth(path):
                wrong.append(key)
        return wrong

    def untold(self) -> list[str]:
        """Give promised keys that no manifest has as archived."""
        s3 = self.stack.s3()
        told = set()
        for task in {key.partition("/")[0] for key in self.promised}:
            text = s3.get_object(Bucket=BUCKET, Key=f"{task}/{task}_manifest.json")["Body"].read()
            told |= {asset["key"] for asset in json.loads(text)["assets"].values() if asset["state"] == "archived"}
        return sorted(self.promised.keys() - told)

    def kept_in_inbox(self) -> int:
        """Give the number of callbacks in the inbox."""
        return int(self.stack.s3().list_objects_v2(Bucket=BUCKET, Prefix="_inbox/").get("KeyCount", 0))

    def truth(self, path: str) -> bytes:
        """Give the file as the origin has it."""
        return content(path, self.size)

    def quiet(self) -> bool:
        """Tell whether everything is settled: nothing in flight, nothing waiting, nothing in the inbox."""
        with suppress(Exception):
            waiting = ReceivedCallbacks(self.stack.redis()).waiting()
            in_flight = self.ledger.in_flight() + int(self.stack.redis().zcard(OLDER_TIMERS))
            return not (waiting or self.kept_in_inbox() or in_flight or self._uploads())
        return False

    def _uploads(self) -> int:
        return len(self.stack.s3().list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))

    def judge(self, fault: str, injected: int, *, within: float) -> Row:
        """Wait until everything is settled, at most ``within`` seconds, and count."""
        recovery = self._recovery(within)
        lost = self.missing()
        versions: dict[str, int] = {}
        for page in self.stack.s3().get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for item in page.get("Versions", []):
                versions[item["Key"]] = versions.get(item["Key"], 0) + 1
        return Row(
            fault=fault,
            injected=injected,
            acknowledged=self.acknowledged,
            stored=len(self.promised) - len(lost),
            lost=len(lost),
            twice=sum(1 for key in self.promised if versions.get(key, 0) > 1),
            orphans=self._uploads(),
            recovery=recovery,
            within=within,
        )

    def _recovery(self, within: float) -> float:
        started = time.monotonic()
        try:
            eventually(self.quiet, patience=within)
        except AssertionError:
            return math.inf
        return time.monotonic() - started


@contextmanager
def running_town(**settings: str) -> Iterator[Town]:
    """Start a town. The bucket keeps every version, so that a second write of a key can be counted."""
    with running_origin() as origin, embedded_stack({**SETTINGS, **settings}) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.s3().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        with moody_bucket(stack.s3_port) as bucket:
            stack.group.environment = {
                **stack.group.environment,
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{bucket.port}",
            }
            town = Town(stack, origin, bucket)
            origin.otherwise = town.serve
            stack.start_ingress()
            stack.start_worker()
            stack.start_beat()
            with _supervised(stack):
                yield town


def _supervised(stack: Stack) -> AbstractContextManager[None]:
    """Restart processes that end by themselves, as ``restart: unless-stopped`` does in docker-compose.yml."""

    def supervise() -> None:
        with suppress(StartError):
            stack.restart_ended()

    return repeating(supervise, every=1.0)
