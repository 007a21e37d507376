"""How the ledger writes what it keeps long, so that it takes little memory.

A callback is compressed, and a key has no task id in it. A task's record has its callbacks among its fields, each under
the SHA-256 of its body.
"""

import base64
from collections.abc import Mapping
from typing import Any

from workers.ledger.bodies import pack, unpack
from workers.ledger.records import TaskSnapshot

_CALLBACK = "#"
#: Stands for the task's id in a key, which never holds it.
_ID = "\n"


def field_of(digest: bytes) -> str:
    """Name the field of the callback whose body has this SHA-256."""
    return _CALLBACK + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def kept_callback(task_id: str, received_at: float, body: str) -> str:
    """Give the field's value: when the callback came (unix seconds), and its body."""
    return f"{received_at:.3f} {pack(body, task_id)}"


def short_key(key: str, task_id: str) -> str:
    """Write a key without the task's id."""
    return key.replace(task_id, _ID)


def whole_key(key: str, task_id: str) -> str:
    """Undo ``short_key``."""
    return key.replace(_ID, task_id)


def task_fields(snapshot: TaskSnapshot) -> dict[str, str]:
    """Give a task's record."""
    callbacks = {
        field_of(bytes.fromhex(each["sha256"])): kept_callback(snapshot.task_id, each["received_at"], each["body"])
        for each in snapshot.callbacks
    }
    return {**snapshot.task, **callbacks, "assets": "\n".join(snapshot.assets)}


def asset_fields(task_id: str, asset: Mapping[str, str]) -> dict[str, str]:
    """Give an asset's record."""
    return {**asset, "key": short_key(asset["key"], task_id)} if "key" in asset else dict(asset)


def asset_of(task_id: str, record: Mapping[str, str]) -> dict[str, str]:
    """Undo ``asset_fields``."""
    if "key" not in record:
        return dict(record)
    return {"attempts": "0", **record, "key": whole_key(record["key"], task_id)}


def names_in(record: Mapping[str, str]) -> list[str]:
    """Give the names of the assets of a task with this record."""
    return sorted(record.get("assets", "").split())


def snapshot_from(task_id: str, record: Mapping[str, str], assets: Mapping[str, Mapping[str, str]]) -> TaskSnapshot:
    """Put a snapshot together from the records of a task and its assets."""
    callbacks = [
        _callback(task_id, name, value) for name, value in record.items() if name.startswith(_CALLBACK) and value
    ]
    return TaskSnapshot(
        task_id,
        {name: value for name, value in record.items() if not name.startswith(_CALLBACK) and name != "assets"},
        sorted(callbacks, key=lambda each: each["received_at"]),
        {name: asset_of(task_id, asset) for name, asset in assets.items()},
    )


def _callback(task_id: str, field: str, value: str) -> dict[str, Any]:
    received_at, _, packed = value.partition(" ")
    digest = base64.urlsafe_b64decode(field.removeprefix(_CALLBACK) + "=")
    return {"received_at": float(received_at), "sha256": digest.hex(), "body": unpack(packed, task_id)}
