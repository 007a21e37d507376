"""Writes manifests to the bucket. No manifest has less content than the one before."""

from collections.abc import Iterable
from dataclasses import replace

import structlog

from workers.context import WorkerContext
from workers.errors import TransientError
from workers.ledger.values.records import TaskSnapshot
from workers.manifest.form import document, snapshot_of
from workers.manifest.reading import read_manifest

log = structlog.get_logger()


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
    """Fill in assets whose record Redis has lost, so that no manifest has less content than before."""
    forgotten = [name for name, record in snapshot.assets.items() if record.state is None]
    return with_forgotten(context, snapshot, forgotten) if forgotten else snapshot


def with_forgotten(context: WorkerContext, snapshot: TaskSnapshot, names: Iterable[str]) -> TaskSnapshot:
    """Add those of the named assets that only the manifest has. Raises ``TransientError`` and ``ManifestError``."""
    manifest = read_manifest(context.store, context.settings, snapshot.task_id)
    known = snapshot_of(manifest).assets if manifest else {}
    present = {name for name, record in snapshot.assets.items() if record.state}
    missing = [name for name in names if name in known and name not in present]
    return replace(snapshot, assets=snapshot.assets | {name: known[name] for name in missing})
