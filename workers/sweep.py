"""The alarm clock: every asset that is due gets its next step, and every manifest that is due is written."""

from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.errors import FreshUrlError, LeaseLostError, TransientError
from workers.follow_up import follow_up, top_up_wake_ups
from workers.intake.fullness import SWEEP_FORGETS
from workers.ledger.records import UNNAMED
from workers.manifest import write_manifest

log = structlog.get_logger()

#: How many alarms one sweep takes; the next one, seconds later, takes the next.
BATCH = 1000
#: So long one sweep forgets settled tasks, in steps of so many records.
_FORGET_SECONDS, _FORGET_AT_ONCE = 1.0, 500


def sweep(context: WorkerContext) -> None:
    """Ring what is due, and clear up behind dead workers.

    Several sweeps at a time are harmless: each alarm rings for one of them. The cost depends on
    what is due, not on what is known.
    """
    # First, as nothing else can be done in a Redis that is full.
    _make_room(context)
    for member in context.ledger.due(limit=BATCH):
        _isolated(_follow_up_timer, context, member)
    top_up_wake_ups(context)
    _abort_orphaned_uploads(context)


def _isolated(step: Callable[[WorkerContext, str], None], context: WorkerContext, what: str) -> None:
    """Do one step of many; what it raises is logged, and only Redis's absence ends the others."""
    try:
        step(context, what)
    except RedisError:
        raise
    except Exception:
        log.exception("sweep_step_failed", what=what)


def _follow_up_timer(context: WorkerContext, member: str) -> None:
    asset = AssetId.parse(member)
    if asset.name:
        _ring(context, asset)
    else:
        write_manifest(context, asset.task_id)


def _ring(context: WorkerContext, asset: AssetId) -> None:
    step = follow_up(context, asset)
    if step in {"expired", "poison"}:
        _give_up(context, asset, "expired" if step == "expired" else "set_aside")


def _give_up(context: WorkerContext, asset: AssetId, state: str) -> None:
    reason = context.ledger.asset(asset).get("error", "never_tried")
    try:
        still_open = context.ledger.settle(asset, "", state, reason=reason)
    except (LeaseLostError, FreshUrlError):
        return  # a worker has taken it this moment, or a fresh URL has come: it may yet be stored
    log.error(f"asset_{state}", task_id=asset.task_id, asset=asset.name, reason=reason)  # noqa: G004 - two fixed words
    if not still_open:
        write_manifest(context, asset.task_id)


def _make_room(context: WorkerContext) -> None:
    """Forget settled tasks, where Redis is nearly full, for a second at most."""
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
    """Abort the multipart uploads of workers that have died; S3 would keep, and charge for, their parts for ever."""
    for upload in context.ledger.orphaned_uploads():
        _isolated(_abort, context, upload)


def _unnamed(context: WorkerContext, upload: str) -> list[str]:
    """Give what a worker has left that died while it created an upload: those of the key of which nobody knows.

    Raises ``TransientError`` (``upload_begins``) where another one is creating an upload to the key now.
    """
    _, _, key = upload.partition(" ")
    found = context.store.unfinished(key)
    if found and context.ledger.upload_begins(key):
        raise TransientError("upload_begins", "another worker has begun to store this asset")
    return [each for each in found if not context.ledger.knows_upload(each)]


def _abort(context: WorkerContext, upload: str) -> None:
    try:
        for each in _unnamed(context, upload) if upload.startswith(UNNAMED) else [upload]:
            context.store.abort(each)
    except TransientError as error:
        # Its turn comes again after those that have not had one.
        context.ledger.postpone_orphan(upload)
        log.warning("orphaned_upload_kept", reason=error.reason, detail=error.detail)
        return
    context.ledger.upload_ended(upload)
    log.info("orphaned_upload_aborted", upload=upload)
