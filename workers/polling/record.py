"""Record an answer of the provider like a callback, if the ledger does not know all that it says."""

from contextlib import suppress
from typing import Any

from workers.callbacks import Callback
from workers.callbacks.assets import Asset
from workers.context import WorkerContext
from workers.errors import StemvaultError
from workers.ingest import ingest
from workers.ledger.tasks import STAGE_RANK
from workers.ledger.values.records import AssetRecord
from workers.provider.writing import text_of
from workers.recording.record import read_callback


def record(context: WorkerContext, body: dict[str, Any]) -> None:
    """Record the body of an answer, unless the ledger knows all that it says. Raises the errors of ``ingest``.

    Answers about an unfinished task differ in times and counts; only a new stage, file or URL is worth a record.
    """
    text = text_of(body)
    with suppress(StemvaultError):
        if _says_nothing_new(context, read_callback(context, text)):
            return
    ingest(context, text, context.now())


def _says_nothing_new(context: WorkerContext, callback: Callback) -> bool:
    """Tell whether the ledger knows the stage, the failure and each file of an answer."""
    known = context.ledger.snapshot(callback.task_id)
    if known is None or not callback.assets or (known.task.rank or 0) < STAGE_RANK[callback.stage]:
        return False
    if known.task.rank == STAGE_RANK[callback.stage] and (
        known.task.stage != callback.stage
        or known.task.code != callback.code
        or dict(known.task.failed_tracks) != dict(callback.failed_tracks)
    ):
        return False
    return all(_is_known(known.assets.get(asset.id.name), asset) for asset in callback.assets)


def _is_known(record: AssetRecord | None, asset: Asset) -> bool:
    """Tell whether a record has all that an answer says of a file. The URL of an archived file does not matter."""
    if record is None or (asset.seconds and record.announced_seconds != asset.seconds):
        return False
    return record.state == "archived" or record.url == asset.url
