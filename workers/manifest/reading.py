"""Reads manifests from the bucket."""

import json
from typing import Any

from config.settings import Settings
from workers.bucket.store import Store
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ledger.values.records import TaskSnapshot
from workers.manifest.form import FORMAT, snapshot_of

_READABLE = {1, 2}


class ManifestError(TransientError):
    """The manifest in the bucket cannot be read by this version, which must not overwrite it."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__("manifest_unreadable", f"{key}: {why}")


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
