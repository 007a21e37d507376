"""The story of the sweep: make room → fire timers → send wake-up messages → abort orphaned uploads.

Celery beat starts a sweep every 5 seconds. The sweep makes sure that no asset is forgotten: an unsettled asset is
either ready for a worker or has a timer (``test_each_asset_has_exactly_one_next_step_until_it_is_settled``).

1. Make room: if Redis is nearly full, settled tasks are removed from it. Their manifests keep the record.
2. Fire timers: an asset whose backoff or lease has ended is made ready again, or is given up after its deadline. A
   task's timer has its manifest written.
3. Send wake-up messages: assets and callbacks that wait without a message get one, as messages can be lost.
4. Abort orphaned uploads: S3 stores the parts of a dead worker's multipart upload until it is aborted.
"""

from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.errors import FreshUrlError, LeaseLostError, TransientError
from workers.follow_up import follow_up, top_up_wake_ups
from workers.intake.fullness import SWEEP_FORGETS
from workers.ledger.uploads import UNNAMED
from workers.manifest import write_manifest
from workers.polling.refresh import request_refresh

log = structlog.get_logger()

#: The most timers that one sweep fires; the next sweep continues.
MAX_TIMERS = 1000
#: The most seconds that one sweep forgets settled tasks, and the records of one step.
_FORGET_SECONDS, _FORGET_AT_ONCE = 1.0, 500


def sweep(context: WorkerContext) -> None:
    """Fire the timers that are due, ``MAX_TIMERS`` at most, and clear up after dead workers. Raises redis-py's errors.

    Several sweeps may run at the same time: each timer fires in one of them. The cost depends on the number of timers
    that are due, not on the number of records.
    """
    # First, because a full Redis refuses the writes of the other steps.
    _make_room(context)
    for member in context.ledger.due(limit=MAX_TIMERS):
        _isolated(_fire_timer, context, member)
    top_up_wake_ups(context)
    _abort_orphaned_uploads(context)


def _isolated(step: Callable[[WorkerContext, str], None], context: WorkerContext, name: str) -> None:
    """Do one of many steps, for the timer or upload ``name``.

    An error is logged and does not stop the other steps (``test_a_timer_that_raises_does_not_stop_the_sweep``). Only
    redis-py's errors are raised, as the other steps would fail, too.
    """
    try:
        step(context, name)
    except RedisError:
        raise
    except Exception:
        log.exception("sweep_step_failed", what=name)


def _fire_timer(context: WorkerContext, member: str) -> None:
    """Do the next step of an asset (``task/asset``), or write a task's manifest (``task``)."""
    asset = AssetId.parse(member)
    if asset.name:
        _next_step(context, asset)
    else:
        write_manifest(context, asset.task_id)


def _next_step(context: WorkerContext, asset: AssetId) -> None:
    """Make the asset ready, or give it up: after its deadline, or when too many processes have died with it."""
    step = follow_up(context, asset)
    if step in {"expired", "poison"}:
        _give_up(context, asset, "expired" if step == "expired" else "set_aside")


def _give_up(context: WorkerContext, asset: AssetId, state: str) -> None:
    """Settle the asset as ``expired`` or as a dead letter (``set_aside``), with the reason of its last failure."""
    record = context.ledger.asset(asset)
    reason = record.error or "never_tried"
    if state == "expired" and not record.optional:
        request_refresh(context, asset.task_id, is_last=True)
    try:
        still_open = context.ledger.settle(asset, "", state, reason=reason)
    except (LeaseLostError, FreshUrlError):
        return  # a worker has just taken the asset, or a callback has brought a fresh URL: it may still be stored
    log.error(f"asset_{state}", task_id=asset.task_id, asset=asset.name, reason=reason)  # noqa: G004 - two fixed words
    if not still_open:
        write_manifest(context, asset.task_id)


def _make_room(context: WorkerContext) -> None:
    """If Redis is nearly full, forget settled tasks for at most a second."""
    if context.fullness() < SWEEP_FORGETS:
        return
    until = context.monotonic() + _FORGET_SECONDS
    while True:
        all_seen = context.ledger.forget_settled(count=_FORGET_AT_ONCE)
        fullness = context.fullness()
        if all_seen or fullness < SWEEP_FORGETS or context.monotonic() > until:
            break
    log.warning("broker_nearly_full", fullness=round(fullness, 3))


def _abort_orphaned_uploads(context: WorkerContext) -> None:
    """Abort the multipart uploads of dead workers: S3 keeps their parts, and charges for them, until then."""
    for upload in context.ledger.orphaned_uploads():
        _isolated(_abort, context, upload)


def _uploads_without_id(context: WorkerContext, upload: str) -> list[str]:
    """Give the uploads to the key that the ledger does not know.

    A worker that died while it created an upload did not record its id. Raises ``TransientError`` (``upload_begins``)
    while another worker creates an upload to the same key, as that upload has no recorded id yet
    (``test_the_sweep_does_not_abort_an_upload_that_another_worker_is_creating``).
    """
    _, _, key = upload.partition(" ")
    found = context.store.unfinished(key)
    if found and context.ledger.upload_begins(key):
        raise TransientError("upload_begins", "another worker has begun to store this asset")
    return [each for each in found if not context.ledger.knows_upload(each)]


def _abort(context: WorkerContext, upload: str) -> None:
    """Abort an upload, given as its id and its key, or with a name that begins with ``?`` in place of an unknown id."""
    try:
        for each in _uploads_without_id(context, upload) if upload.startswith(UNNAMED) else [upload]:
            context.store.abort(each)
    except TransientError as error:
        # It is tried again after a lease, so that the uploads behind it are not held up
        # (test_an_upload_that_cannot_be_aborted_does_not_keep_the_others_and_has_its_turn_again).
        context.ledger.postpone_orphan(upload)
        log.warning("orphaned_upload_kept", reason=error.reason, detail=error.detail)
        return
    context.ledger.upload_ended(upload)
    log.info("orphaned_upload_aborted", upload=upload)
