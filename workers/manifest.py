"""``<task_id>_manifest.json``: what the bucket alone tells of a task, and what Redis may be restored from."""

import json
from datetime import UTC, datetime
from typing import Any

import structlog

from workers.errors import TransientError
from workers.ledger import STAGE_RANK
from workers.records import TaskSnapshot
from workers.vault import Vault

log = structlog.get_logger()

_FORMAT = 1
_TIMES = ("recorded_at", "started_at", "settled_at")
_NUMBERS = ("size", "attempts")
_TEXTS = ("key", "state", "sha256", "content_type", "error", "media")


def write_manifest(vault: Vault, task_id: str) -> None:
    """Write the task's manifest as the ledger has it now, and again until nothing has changed meanwhile.

    There is one writer at a time. The task's alarm stays set until a manifest of the latest version
    is written, so where another is writing, or the bucket cannot be reached, its turn comes again.
    """
    owner = vault.token()
    while vault.ledger.lock_manifest(task_id, owner):
        snapshot = vault.ledger.snapshot(task_id)
        if snapshot is None:
            vault.ledger.drop_alarm(task_id)
            return
        try:
            vault.store.write_json(vault.settings.layout.manifest_key(task_id), document(snapshot))
        except TransientError as error:
            log.warning("manifest_postponed", task_id=task_id, reason=error.reason, detail=error.detail)
            return
        if vault.ledger.manifest_written(snapshot, owner, remember=vault.settings.ledger_retention):
            return


def restore_task(vault: Vault, task_id: str) -> None:
    """Take a task that Redis has forgotten back from its manifest, if there is one.

    Raises ``TransientError`` when the bucket cannot be asked.
    """
    manifest = vault.store.read_json(vault.settings.layout.manifest_key(task_id))
    if manifest is not None:
        vault.ledger.restore(snapshot_of(manifest), remember=vault.settings.ledger_retention)


def status(snapshot: TaskSnapshot) -> str:
    """Sum a task up: ``failed``, ``transferring``, ``incomplete``, ``archived`` or ``received``."""
    states = {record.get("state") for record in snapshot.assets.values()}
    if snapshot.open:
        return "transferring"
    if states - {"archived"}:
        return "incomplete"
    if snapshot.task.get("stage") == "error":
        return "failed"
    return "archived" if snapshot.task.get("stage") == "complete" else "received"


def document(snapshot: TaskSnapshot) -> dict[str, Any]:
    """Put a snapshot into the manifest's form: JSON, with times in ISO 8601 and UTC."""
    task = snapshot.task
    return {
        "format": _FORMAT,
        "task_id": snapshot.task_id,
        "family": task["family"],
        "stage": task["stage"],
        "status": status(snapshot),
        "code": int(task["code"]),
        "meaning": task["meaning"],
        "version": snapshot.version,
        "callbacks": [
            {
                "received_at": _iso(entry["received_at"]),
                "sha256": entry["sha256"],
                "body": json.loads(entry["body"]),
            }
            for entry in snapshot.callbacks
        ],
        "assets": {name: _asset(record) for name, record in snapshot.assets.items()},
    }


def _asset(record: dict[str, str]) -> dict[str, Any]:
    return {
        **{name: record.get(name) for name in _TEXTS},
        **{name: int(record[name]) if name in record else None for name in _NUMBERS},
        **{name: _iso(record[name]) if name in record else None for name in _TIMES},
    }


def snapshot_of(manifest: dict[str, Any]) -> TaskSnapshot:
    """Undo ``document`` for a task that is settled; what was under way counts as never recorded."""
    settled = {name: asset for name, asset in manifest["assets"].items() if asset["settled_at"]}
    task = {name: str(manifest[name]) for name in ("family", "stage", "code", "meaning", "version")}
    return TaskSnapshot(
        task_id=manifest["task_id"],
        task={
            **task,
            "rank": str(STAGE_RANK[manifest["stage"]]),
            "open": "0",
            "written": str(manifest["version"]),
            "first_at": str(_unix(manifest["callbacks"][0]["received_at"]) if manifest["callbacks"] else 0),
        },
        callbacks=[
            {
                "received_at": _unix(entry["received_at"]),
                "sha256": entry["sha256"],
                "body": json.dumps(entry["body"]),
            }
            for entry in manifest["callbacks"]
        ],
        assets={name: _record(asset) for name, asset in settled.items()},
    )


def _record(asset: dict[str, Any]) -> dict[str, str]:
    plain = {name: str(asset[name]) for name in (*_TEXTS, *_NUMBERS) if asset[name] is not None}
    return {**plain, **{name: str(_unix(asset[name])) for name in _TIMES if asset[name]}}


def _iso(seconds: str | float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="milliseconds")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
