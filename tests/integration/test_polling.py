"""Polling with real processes: a worker, a clock, Redis, S3, and a provider written from the documents alone."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import pytest
import requests

from app.embedded.provider import Mood, Options, Provider, fake_provider
from app.embedded.provider.shapes.callbacks import callback
from app.embedded.provider.shapes.catalogue import FAMILIES
from app.embedded.stack import BUCKET, Stack, embedded_stack
from config.layout import KeyLayout
from tests.conftest import eventually
from tests.integration.conftest import LOCAL
from workers.callbacks import parse_callback
from workers.ledger.ledger import Ledger
from workers.manifest import status
from workers.watching.turns import Turns, fingerprint_of
from workers.watching.watches import Watches

#: The family's name where the fake provider's differs from ours.
OURS = {"mp4": "video"}
#: Files of callbacks that no documented answer names.
ONLY_DELIVERED = {*(("music", f"original{each}") for each in ("", "_stream", "_image")), ("runway", "image")}
INTERVAL = 2.0
SEPARATIONS = ("separate_vocal", "split_stem")


@dataclass
class Fleet:
    """A stack without an ingress, and the provider that it asks."""

    stack: Stack
    provider: Provider

    @property
    def watches(self) -> Watches:
        turns = Turns(self.stack.redis(), fingerprint=fingerprint_of(self.provider.url, self.provider.key))
        return Watches(self.stack.redis(), turns, interval=INTERVAL)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stack.redis())

    def start_ingress(self) -> None:
        if not any(process.name == "ingress" for process in self.stack.group.processes):
            self.stack.start_ingress()

    def bucket(self) -> set[str]:
        s3 = self.stack.s3()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def status(self, task_id: str) -> str:
        """Give the status of a task whose manifest is written; empty until then."""
        found = self.ledger.snapshot(task_id)
        return status(found) if found and found.task.written == found.version else ""


@contextmanager
def running_fleet(options: Options, **settings: str) -> Iterator[Fleet]:
    """Run a worker and a clock that ask a fake provider; there is no ingress, so no callback arrives."""
    with fake_provider(options) as provider:
        environment = {
            **LOCAL,
            "STEMVAULT_PROVIDER_BASE_URL": provider.url,
            "STEMVAULT_PROVIDER_API_KEY": provider.key,
            "STEMVAULT_PROVIDER_RATE": "50",
            "STEMVAULT_POLL_INTERVAL": f"{INTERVAL}s",
            **settings,
        }
        with embedded_stack(environment) as stack:
            stack.start_redis()
            stack.start_s3()
            stack.start_worker()
            stack.start_beat()
            yield Fleet(stack, provider)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with running_fleet(Options(deliver=False, stage_seconds=1.0)) as fleet:
        yield fleet


def expected(provider: Provider, family: str, task_id: str) -> dict[str, bytes]:
    """Give the files that a delivered callback of the task would name, as far as answers name them, by key."""
    delivered = callback(provider.told(task_id, FAMILIES[family].done)) or {}
    return {
        asset.key(KeyLayout()): provider.files.content(urlsplit(asset.url).path.removeprefix("/files/"))
        for asset in parse_callback(delivered).assets
        if (family, asset.stem) not in ONLY_DELIVERED
    }


def test_with_no_ingress_every_file_of_all_families_is_archived_by_polling_alone(fleet: Fleet) -> None:
    provider = fleet.provider
    tasks = {
        provider.add_task(family, task_id=f"poll-{family}-{number}", body={"type": SEPARATIONS[number % 2]}): family
        for number in range(4)
        for family in FAMILIES
    }
    assert len(tasks) >= 60
    for task_id, family in tasks.items():
        fleet.watches.add(task_id, OURS.get(family, family), "watch")
    eventually(lambda: not fleet.watches.number(), patience=60)
    eventually(lambda: all(fleet.status(task_id) == "archived" for task_id in tasks), patience=60)
    files: dict[str, bytes] = {}
    for task_id, family in tasks.items():
        files |= expected(provider, family, task_id)
    assert len(files) > 100
    s3 = fleet.stack.s3()
    stored = {key for key in fleet.bucket() if key.startswith("poll-") and not key.endswith("_manifest.json")}
    assert stored == set(files)
    assert all(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body for key, body in files.items())
    assert set(provider.files.fetched.values()) == {1}
    for task_id in tasks:
        asked = [request.time for request in provider.requests.of(task_id)]
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert all(gap > INTERVAL - 0.5 for gap in gaps)


def test_a_task_with_an_undelivered_callback_is_archived_and_a_failed_task_is_recorded(fleet: Fleet) -> None:
    provider = fleet.provider
    undelivered = provider.add_task("music", task_id="exception", stages=["PENDING", "CALLBACK_EXCEPTION"])
    failed = provider.add_task("separation", task_id="failure", stages=["PENDING", "GENERATE_AUDIO_FAILED"])
    for task_id in (undelivered, failed):
        fleet.watches.add(task_id, "", "backfill")  # the family is found by asking
    eventually(lambda: fleet.status(undelivered) == "archived", patience=30)
    eventually(lambda: fleet.status(failed) == "failed", patience=30)
    manifest = json.loads(
        fleet.stack.s3().get_object(Bucket=BUCKET, Key="failure/failure_manifest.json")["Body"].read()
    )
    assert (manifest["code"], manifest["message"]) == (451, "source not available")


def test_an_asset_whose_url_died_is_archived_from_a_fresh_one_within_two_minutes(fleet: Fleet) -> None:
    provider = fleet.provider
    task_id = provider.add_task("mp4", task_id="dead-url", stages=["SUCCESS"])
    body = callback(provider.told(task_id, "SUCCESS"))
    provider.files.kill(task_id)
    began = time.monotonic()
    fleet.start_ingress()
    assert requests.post(f"{fleet.stack.url}/callbacks", json=body, timeout=15).status_code == 200
    eventually(lambda: fleet.status(task_id) == "archived", patience=120)
    assert time.monotonic() - began < 120
    manifest = json.loads(
        fleet.stack.s3().get_object(Bucket=BUCKET, Key=f"{task_id}/{task_id}_manifest.json")["Body"].read()
    )
    assert [json.loads(each["body"]).get("polled") for each in manifest["callbacks"]] == [None, "mp4/record-info"]


def test_callbacks_are_recorded_while_the_provider_does_not_answer(fleet: Fleet) -> None:
    fleet.start_ingress()
    fleet.provider.set_mood(Mood(wait=7))
    for number in range(20):
        fleet.watches.add(f"silent-{number}", "music", "watch")
    eventually(lambda: fleet.provider.requests.of("silent-0"), patience=15)
    try:
        for number in range(20):
            began = time.monotonic()
            body = {"code": 200, "data": {"task_id": f"prompt-{number}", "video_url": ""}}
            assert requests.post(f"{fleet.stack.url}/callbacks", json=body, timeout=15).status_code == 200
            eventually(partial(fleet.ledger.knows, f"prompt-{number}"), patience=5)
            assert time.monotonic() - began < 5
    finally:
        fleet.provider.set_mood(Mood())
