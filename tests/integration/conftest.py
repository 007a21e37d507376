"""Real processes: redis-server, moto's S3 server, gunicorn, a Celery worker and beat, started once for many tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from app.embedded.stack import BUCKET, Stack, embedded_stack
from tests.conftest import ECHOES, eventually
from tests.origin import Origin, film, picture, song
from workers.callbacks import task_id_of
from workers.ledger.ledger import Ledger
from workers.ledger.values.records import TaskSnapshot

#: Origins of tests listen on loopback.
LOCAL = {
    "STEMVAULT_ALLOW_UNSIGNED": "true",
    "STEMVAULT_ALLOW_PRIVATE_ADDRESSES": "true",
    "STEMVAULT_ALLOWED_ASSET_PORTS": "*",
}


@dataclass
class Service:
    """A running stack, as the provider and the operator use it."""

    stack: Stack

    def post(self, body: bytes | dict[str, Any], path: str = "/callbacks", **headers: str) -> requests.Response:
        """Post a callback."""
        url = self.stack.url + path
        if isinstance(body, dict):
            return requests.post(url, json=body, headers=headers, timeout=15)
        return requests.post(url, data=body, headers={"Content-Type": "application/json", **headers}, timeout=15)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Give the objects below the prefix, by key."""
        s3 = self.stack.s3()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def snapshot(self, task_id: str) -> TaskSnapshot | None:
        """Give the ledger's record of a task."""
        return Ledger(self.stack.redis()).snapshot(task_id)

    def settled(self, task_id: str, *, patience: float = 30.0) -> TaskSnapshot:
        """Wait until the task's assets are settled and its manifest is written."""

        def look() -> TaskSnapshot | None:
            found = self.snapshot(task_id)
            return found if found and not found.open and found.task.written == found.task.version else None

        return eventually(look, patience=patience)


def children_of(pid: int) -> frozenset[int]:
    """Give the ids of the process's children."""
    return frozenset(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Run a whole stack with small parts, so that files of a few megabytes are uploaded in several parts."""
    with embedded_stack({**LOCAL, "STEMVAULT_PART_BYTES": "5MiB"}) as stack:
        stack.start_all()
        yield Service(stack)


@contextmanager
def running_ingress(**settings: str) -> Iterator[Stack]:
    """Run Redis, S3 and gunicorn, but no worker, so that callbacks stay in the queue."""
    with embedded_stack({**LOCAL, **settings}) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.start_ingress()
        yield stack


@pytest.fixture(scope="module")
def ingress() -> Iterator[Stack]:
    """Run the ingress with default settings, without a worker."""
    with running_ingress() as stack:
        yield stack


def renamed(payload: dict[str, Any]) -> dict[str, Any]:
    """Give the payload a new task id, because tests share a stack."""
    task_id = task_id_of(payload)
    text = json.dumps(payload).replace(f'"{task_id}"', f'"{task_id}-{uuid4().hex[:8]}"')
    text = text.replace(f'\\"{task_id}\\"', f'\\"{task_id}-inner\\"')
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def serve_all(origin: Origin, payload: dict[str, Any]) -> dict[str, bytes]:
    """Serve each result that the payload names, each with different content, and give the contents by URL."""
    # A song must be as long as announced: 98 repeats are 199.7 s, 20 are 40.8 s.
    repeats = 98 if "duration" in json.dumps(payload) else 20
    contents = {url: _content(url, repeats) for url in result_urls(payload)}
    for url, content in contents.items():
        origin.serve(quote(url.removeprefix(origin.url), safe="/*"), content)
    return contents


def _content(url: str, repeats: int) -> bytes:
    ext = url.rpartition(".")[2]
    if ext in {"png", "jpg", "jpeg"}:
        return picture(url)
    if ext == "mp4":
        return film(1024) + url.encode()
    if ext == "wav":
        return (files("app.embedded") / "media" / "tone.wav").read_bytes() + url.encode()
    return song(url, repeats)


def result_urls(value: object) -> Iterator[str]:
    """Find the URLs of results, in JSON inside strings too."""
    if isinstance(value, str) and value.startswith("http"):
        yield value
    elif isinstance(value, str) and value.startswith("{"):
        yield from result_urls(json.loads(value))
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in ECHOES:
                yield from result_urls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from result_urls(inner)
