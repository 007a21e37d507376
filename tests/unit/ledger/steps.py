"""Callbacks and the steps of their assets, for the tests of the ledger."""

import json
from typing import Any

from config.layout import KeyLayout
from tests.unit.conftest import START, at
from workers.callbacks import parse_callback
from workers.callbacks.assets import AssetId
from workers.ledger.ledger import Ledger
from workers.ledger.values.lease import Lease
from workers.ledger.values.records import Recorded, TaskSnapshot

DEADLINE = START + 1_000_000
#: The source of the examples' video.
HOST = "origin.test"
VIDEO = AssetId("taskId_c20ad4d76fe9", "video")


def record(ledger: Ledger, body: dict[str, Any], *, now: float = START) -> Recorded:
    callback = parse_callback(body)
    named = [(asset, asset.key(KeyLayout()), DEADLINE) for asset in callback.assets]
    return at(ledger, now).record(callback, json.dumps(body), named, received_at=now)


def take(ledger: Ledger, owner: str, *, now: float = START) -> Lease:
    lease = at(ledger, now).take(("urgent", "assets"), owner)
    assert lease
    return lease


def fail(ledger: Ledger, lease: Lease, *, now: float = START) -> None:
    at(ledger, now).settle(lease.id, lease.owner, "rejected", reason="gone")


def snapshot(ledger: Ledger, task_id: str) -> TaskSnapshot:
    found = ledger.snapshot(task_id)
    assert found
    return found


def with_url(body: dict[str, Any], url: str) -> dict[str, Any]:
    return {**body, "data": {**body["data"], "video_url": url}}


def song_at(host: str, task_id: str) -> dict[str, Any]:
    return {
        "code": 200,
        "data": {"task_id": task_id, "vocal_removal_info": {"vocal_url": f"http://{host}/{task_id}.mp3"}},
    }
