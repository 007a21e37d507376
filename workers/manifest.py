"""``<task_id>_manifest.json``: the whole record of a task in the bucket, from which Redis can be restored."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from config.settings import Settings
from workers.bucket.store import Store
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ledger.tasks import STAGE_RANK
from workers.ledger.values.records import TaskSnapshot

log = structlog.get_logger()

#: Format 1 held callbacks as JSON and not as their text. It is still read (test_one_of_the_first_format_is_still_read).
FORMAT = 2
_READABLE = {1, 2}
_TIMES = ("recorded_at", "started_at", "settled_at")
_COUNTS = ("size", "attempts")
_SECONDS = ("seconds", "announced_seconds")
_TEXTS = ("key", "state", "sha256", "content_type", "error", "source_name", "partial", "found")
#: Fields that stand in the manifest only for assets that have a value.
_RARE_TEXTS = ("length",)
_DEPRECATED = "not archived, from a field that the provider has deprecated: "


class ManifestError(TransientError):
    """The manifest in the bucket cannot be read by this version, which must not overwrite it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__("manifest_unreadable", f"{key}: {why}")


def write_manifest(context: WorkerContext, task_id: str) -> None:
    """Write the task's manifest from the ledger, and again until the task has not changed during the write.

    A lock allows one writer at a time. The task's timer stays set until a manifest of the latest version is written. So
    if another worker is writing, or if the bucket cannot be reached, the sweep tries again.
    """
    owner = context.token()
    while context.ledger.lock_manifest(task_id, owner):
        snapshot = context.ledger.snapshot(task_id)
        if snapshot is None:
            context.ledger.drop_timer(task_id)
            return
        try:
            known = _with_older_manifest(context, snapshot)
            context.store.write_json(context.settings.layout.manifest_key(task_id), document(known))
        except TransientError as error:
            log.warning("manifest_postponed", task_id=task_id, reason=error.reason, detail=error.detail)
            return
        if context.ledger.manifest_written(snapshot, owner, remember=context.settings.ledger_retention):
            return


def _with_older_manifest(context: WorkerContext, snapshot: TaskSnapshot) -> TaskSnapshot:
    """Fill in assets whose record Redis has lost, so that no manifest holds less than the one before."""
    forgotten = [name for name, record in snapshot.assets.items() if "state" not in record]
    return with_forgotten(context, snapshot, forgotten) if forgotten else snapshot


def with_forgotten(context: WorkerContext, snapshot: TaskSnapshot, names: Iterable[str]) -> TaskSnapshot:
    """Add those of the named assets that only the manifest has. Raises ``TransientError`` and ``ManifestError``."""
    manifest = read_manifest(context.store, context.settings, snapshot.task_id)
    known = snapshot_of(manifest).assets if manifest else {}
    missing = [name for name in names if "state" not in snapshot.assets.get(name, {})]
    return replace(snapshot, assets=snapshot.assets | {name: known[name] for name in missing if name in known})


def remembered_task(context: WorkerContext, task_id: str) -> tuple[TaskSnapshot, bool] | None:
    """Give the settled part of a task from its manifest, and whether it names other assets; None without a manifest.

    Raises ``TransientError`` when the bucket cannot be asked, and ``ManifestError``.
    """
    manifest = read_manifest(context.store, context.settings, task_id)
    if manifest is None:
        return None
    snapshot = snapshot_of(manifest)
    return snapshot, len(snapshot.assets) < len(manifest["assets"])


def read_manifest(store: Store, settings: Settings, task_id: str) -> dict[str, Any] | None:
    """Read a task's manifest from the bucket; None if there is none.

    Raises ``TransientError`` when the bucket cannot be asked, and ``ManifestError`` for a manifest of a later version
    or an object that is no manifest.
    """
    key = settings.layout.manifest_key(task_id)
    text = store.read_text(key)
    if text is None:
        return None
    try:
        manifest: dict[str, Any] = json.loads(text)
        if manifest["format"] in _READABLE:
            snapshot_of(manifest)
            return manifest
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ManifestError(key, f"it is not a manifest ({type(error).__name__}); move it away") from None
    raise ManifestError(
        key, f"it has format {manifest['format']}, this version reads up to {FORMAT}; upgrade Stemvault"
    )


def status(snapshot: TaskSnapshot) -> str:
    """Sum a task up: ``failed``, ``transferring``, ``incomplete``, ``archived`` or ``received``.

    A file from a deprecated field does not make a task incomplete, as long as another of its files is archived.
    """
    if snapshot.open:
        return "transferring"
    if _missing(snapshot):
        return "incomplete"
    if snapshot.task.get("stage") == "error":
        return "failed"
    return "archived" if snapshot.task.get("stage") == "complete" else "received"


def _not_archived(snapshot: TaskSnapshot) -> list[str]:
    """Name the assets that are not archived."""
    return [name for name, record in snapshot.assets.items() if record.get("state") != "archived"]


def _missing(snapshot: TaskSnapshot) -> list[str]:
    """Name the assets without which a settled task is incomplete."""
    names = _not_archived(snapshot)
    if len(names) == len(snapshot.assets):
        return names
    return [name for name in names if not snapshot.assets[name].get("optional")]


def _notes(snapshot: TaskSnapshot) -> list[str]:
    notes = snapshot.task.get("notes", "").splitlines()
    names = _not_archived(snapshot)
    if names and not snapshot.open and not _missing(snapshot):
        notes.append(_DEPRECATED + ", ".join(names))
    return notes


def document(snapshot: TaskSnapshot) -> dict[str, Any]:
    """Put a snapshot into the manifest's form: JSON, with times in ISO 8601 and UTC and durations in seconds."""
    task = snapshot.task
    return {
        "format": FORMAT,
        "task_id": snapshot.task_id,
        "family": task["family"],
        "stage": task["stage"],
        "status": status(snapshot),
        "code": int(task["code"]) if "code" in task else None,
        "meaning": task["meaning"],
        "message": task.get("message", ""),
        "fail_code": task.get("fail_code", ""),
        "failed_tracks": json.loads(task.get("failed_tracks", "{}")),
        "notes": _notes(snapshot),
        "version": snapshot.version,
        "callbacks": [{**entry, "received_at": _iso(entry["received_at"])} for entry in snapshot.callbacks],
        "assets": {name: _asset(record) for name, record in snapshot.assets.items()},
    }


def _asset(record: dict[str, str]) -> dict[str, Any]:
    return {
        **{name: record.get(name) for name in _TEXTS},
        **{name: int(record[name]) if name in record else None for name in _COUNTS},
        **{name: float(record.get(name, 0)) or None for name in _SECONDS},
        **{name: _iso(record[name]) if name in record else None for name in _TIMES},
        "optional": bool(record.get("optional")),
        "notes": record.get("notes", "").splitlines(),
        **{name: record[name] for name in _RARE_TEXTS if name in record},
    }


def snapshot_of(manifest: dict[str, Any]) -> TaskSnapshot:
    """Undo ``document`` for a settled task. Assets that were not settled are left out."""
    settled = {name: asset for name, asset in manifest["assets"].items() if asset["settled_at"]}
    task = {name: str(manifest[name]) for name in ("family", "stage", "meaning", "version")}
    texts = {
        "code": str(manifest["code"] or ""),
        "message": manifest.get("message", ""),
        "fail_code": manifest.get("fail_code", ""),
        "failed_tracks": json.dumps(manifest["failed_tracks"]) if manifest.get("failed_tracks") else "",
        "notes": "\n".join(note for note in manifest.get("notes", ()) if not note.startswith(_DEPRECATED)),
    }
    return TaskSnapshot(
        task_id=manifest["task_id"],
        task={
            **task,
            **{name: text for name, text in texts.items() if text},
            "rank": str(STAGE_RANK[manifest["stage"]]),
            "open": "0",
            "written": str(manifest["version"]),
        },
        callbacks=[_callback(entry) for entry in manifest["callbacks"]],
        assets={name: _record(asset) for name, asset in settled.items()},
    )


def _callback(entry: dict[str, Any]) -> dict[str, Any]:
    """Give a callback's record. Format 1 held the body as JSON, so its exact text is lost."""
    body = entry["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return {"received_at": _unix(entry["received_at"]), "sha256": entry["sha256"], "body": text}


def _record(asset: dict[str, Any]) -> dict[str, str]:
    plain = {
        name: str(asset[name]) for name in (*_TEXTS, *_RARE_TEXTS, *_COUNTS, *_SECONDS) if asset.get(name) is not None
    }
    times = {name: str(_unix(asset[name])) for name in _TIMES if asset.get(name)}
    marks = {"notes": "\n".join(asset.get("notes", ())), "optional": "1" if asset.get("optional") else ""}
    return {**plain, **times, **{name: text for name, text in marks.items() if text}}


def _iso(seconds: str | float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="milliseconds")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
