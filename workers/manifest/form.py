"""The manifest's JSON, from the records of a task and back; and the status of a task.

Pure: no bucket, no Redis, no clock.
"""

import json
from datetime import UTC, datetime
from typing import Any

from workers.ledger.tasks import STAGE_RANK
from workers.ledger.values.records import AssetRecord, CallbackRecord, TaskRecord, TaskSnapshot

#: Format 1 had callbacks as JSON and not as their text. It is still read (test_a_manifest_of_format_1_is_still_read).
FORMAT = 2
_DEPRECATED = "not archived, from a field that the provider has deprecated: "


def status(snapshot: TaskSnapshot) -> str:
    """Sum a task up: ``failed``, ``transferring``, ``incomplete``, ``archived`` or ``received``.

    A file from a deprecated field does not make a task incomplete, as long as another of its files is archived.
    """
    if snapshot.open:
        return "transferring"
    if _missing(snapshot):
        return "incomplete"
    if snapshot.task.stage == "error":
        return "failed"
    return "archived" if snapshot.task.stage == "complete" else "received"


def _not_archived(snapshot: TaskSnapshot) -> list[str]:
    """Name the assets that are not archived."""
    return [name for name, record in snapshot.assets.items() if record.state != "archived"]


def _missing(snapshot: TaskSnapshot) -> list[str]:
    """Name the assets without which a settled task is incomplete."""
    names = _not_archived(snapshot)
    if len(names) == len(snapshot.assets):
        return names
    return [name for name in names if not snapshot.assets[name].optional]


def _notes(snapshot: TaskSnapshot) -> list[str]:
    notes = list(snapshot.task.notes)
    names = _not_archived(snapshot)
    if names and not snapshot.open and not _missing(snapshot):
        notes.append(_DEPRECATED + ", ".join(names))
    return notes


def document(snapshot: TaskSnapshot) -> dict[str, Any]:
    """Put a snapshot into the manifest's form: JSON, with times in ISO 8601 and UTC and durations in seconds.

    Raises ``ValueError`` if Redis has lost the family, the stage or the meaning: such a manifest could not be read.
    """
    task = snapshot.task
    if None in {task.family, task.stage, task.meaning}:
        raise ValueError(f"the record of task {snapshot.task_id} has lost its family, stage or meaning")
    return {
        "format": FORMAT,
        "task_id": snapshot.task_id,
        "family": task.family,
        "stage": task.stage,
        "status": status(snapshot),
        "code": task.code,
        "meaning": task.meaning,
        "message": task.message or "",
        "fail_code": task.fail_code or "",
        "failed_tracks": dict(task.failed_tracks),
        "notes": _notes(snapshot),
        "version": task.version,
        "callbacks": [
            {"received_at": _iso(each.received_at), "sha256": each.sha256, "body": each.body}
            for each in snapshot.callbacks
        ],
        "assets": {name: _asset(record) for name, record in snapshot.assets.items()},
    }


def _asset(record: AssetRecord) -> dict[str, Any]:
    return {
        "key": record.key,
        "state": record.state,
        "sha256": record.sha256,
        "content_type": record.content_type,
        "error": record.error,
        "source_name": record.source_name,
        "partial": record.partial,
        "found": record.found,
        "size": record.size,
        "attempts": record.attempts,
        "seconds": record.seconds or None,
        "announced_seconds": record.announced_seconds or None,
        "recorded_at": _iso(record.recorded_at),
        "started_at": _iso(record.started_at),
        "settled_at": _iso(record.settled_at),
        "optional": record.optional,
        "notes": list(record.notes),
        **({"length": record.length} if record.length else {}),
    }


def snapshot_of(manifest: dict[str, Any]) -> TaskSnapshot:
    """Undo ``document`` for a settled task. Assets that were not settled are left out."""
    version = int(manifest["version"])
    return TaskSnapshot(
        task_id=manifest["task_id"],
        task=TaskRecord(
            family=manifest["family"],
            stage=manifest["stage"],
            rank=STAGE_RANK[manifest["stage"]],
            code=manifest["code"] or None,
            meaning=manifest["meaning"],
            message=manifest.get("message"),
            fail_code=manifest.get("fail_code"),
            failed_tracks=manifest.get("failed_tracks") or {},
            notes=tuple(note for note in manifest.get("notes", ()) if not note.startswith(_DEPRECATED)),
            version=version,
            written=version,
        ),
        callbacks=[_callback(entry) for entry in manifest["callbacks"]],
        assets={name: _record(asset) for name, asset in manifest["assets"].items() if asset["settled_at"]},
    )


def _callback(entry: dict[str, Any]) -> CallbackRecord:
    """Give a callback's record. Format 1 had the body as JSON, so its exact text is lost."""
    body = entry["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return CallbackRecord(_unix(entry["received_at"]), entry["sha256"], text)


def _record(asset: dict[str, Any]) -> AssetRecord:
    """Undo ``_asset`` for a settled asset. Format 1 lacks some of the names."""
    return AssetRecord(
        key=asset.get("key"),
        state=asset.get("state"),
        sha256=asset.get("sha256"),
        content_type=asset.get("content_type"),
        error=asset.get("error"),
        source_name=asset.get("source_name"),
        partial=asset.get("partial"),
        found=asset.get("found"),
        size=asset.get("size"),
        attempts=asset.get("attempts"),
        seconds=asset.get("seconds"),
        announced_seconds=asset.get("announced_seconds"),
        recorded_at=_unix(asset["recorded_at"]) if asset.get("recorded_at") else None,
        started_at=_unix(asset["started_at"]) if asset.get("started_at") else None,
        settled_at=_unix(asset["settled_at"]),
        optional=bool(asset.get("optional")),
        notes=tuple(asset.get("notes", ())),
        length=asset.get("length"),
    )


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
