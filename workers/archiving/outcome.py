"""The outcome of an attempt, as the ledger records it: archived, postponed, handed back, or given up."""

from dataclasses import asdict

import structlog

from workers.archiving.facts import Findings, facts_of, facts_of_found
from workers.archiving.partial import forget_partial
from workers.bucket.store import Stored
from workers.context import WorkerContext
from workers.errors import AssetError, PermanentError, ShortError, TransientError
from workers.follow_up import follow_up
from workers.ledger.backoff import MAX_DELAY, GiveUp, Retry, next_step
from workers.ledger.values.facts import ObjectFacts, PartialFile
from workers.ledger.values.lease import Lease
from workers.manifest import write_manifest
from workers.polling.refresh import is_dead, request_refresh

log = structlog.get_logger()

#: Seconds until the store is asked again for the object of an asset that is to be given up.
_LOOK_AGAIN = 900.0

# All functions raise ``LeaseLostError`` if another worker has taken the asset over, ``FreshUrlError`` if a callback has
# named a new URL during the attempt, and redis-py's errors.


def record_archived(
    context: WorkerContext, lease: Lease, stored: Stored, findings: Findings, *, started: float
) -> None:
    """Settle an asset whose object is in the bucket; ``started`` is the attempt's start by ``context.monotonic``."""
    facts = facts_of(stored, findings)
    if stored.found:
        log.warning("object_found", key=lease.key, found=stored.found)
    _settle_archived(context, lease, facts)
    log.info("asset_archived", key=lease.key, took=round(context.monotonic() - started, 3), **_told(facts))


def _told(facts: ObjectFacts) -> dict[str, object]:
    """Give the facts that are not empty for the log, with the notes as one text."""
    values = {**asdict(facts), "notes": "\n".join(facts.notes)}
    return {name: value for name, value in values.items() if value not in {None, ""}}


def hand_back(context: WorkerContext, lease: Lease) -> None:
    """Make the asset ready for another worker at once, because this one must stop."""
    context.ledger.postpone(lease, "handed_back", streak=0, until=context.now())
    follow_up(context, lease.id)
    log.info("asset_handed_back", attempt=lease.attempts)


def record_failure(context: WorkerContext, lease: Lease, error: AssetError) -> None:
    """Record a failed attempt. The asset gets a later attempt, or ends with its partial file, or is given up."""
    streak = lease.streak + 1 if error.reason == lease.last_reason else 1
    step = _step_after(context, lease, error, streak)
    if (is_dead(error.reason, streak) or step == GiveUp("expired")) and not lease.optional:
        request_refresh(context, lease.id.task_id, is_last=isinstance(step, GiveUp))
    if isinstance(step, Retry):
        _postpone(context, lease, error, streak=streak, until=step.at)
    elif _has_partial(lease, error):
        _end_with_partial(context, lease, error)
    else:
        _give_up(context, lease, error, step.state, streak=streak)


def _step_after(context: WorkerContext, lease: Lease, error: AssetError, streak: int) -> Retry | GiveUp:
    if isinstance(error, PermanentError):
        return GiveUp("rejected")
    return next_step(
        error.reason,
        streak,
        deadline=lease.deadline,
        now=context.now(),
        random=context.random(),
        retry_after=error.retry_after if isinstance(error, TransientError) else None,
    )


def _postpone(context: WorkerContext, lease: Lease, error: AssetError, *, streak: int, until: float) -> None:
    context.ledger.postpone(lease, error.reason, streak=streak, until=until, partial=_partial_of(error))
    log.warning(
        "asset_postponed",
        reason=error.reason,
        detail=error.detail,
        host=lease.host,
        attempt=lease.attempts,
        wait=round(until - context.now(), 1),
    )


def _partial_of(error: AssetError) -> PartialFile | None:
    """Give the partial file that this attempt kept, if it did."""
    return PartialFile(error.partial, error.seconds) if isinstance(error, ShortError) else None


def _has_partial(lease: Lease, error: AssetError) -> bool:
    """Tell whether there is a partial file to store. A permanent failure to store it means that it is gone."""
    is_gone = lease.final and isinstance(error, PermanentError)
    return bool(_partial_of(error) or lease.partial) and not is_gone


def _end_with_partial(context: WorkerContext, lease: Lease, error: AssetError) -> None:
    """Have the next attempt store the partial file: at once, or after a delay if such an attempt has just failed."""
    until = context.now() + (MAX_DELAY if lease.final else 0.0)
    context.ledger.postpone(lease, error.reason, streak=0, until=until, final=True, partial=_partial_of(error))
    log.warning("asset_ends_with_its_part", reason=error.reason, detail=error.detail, attempt=lease.attempts)
    if not lease.final:
        follow_up(context, lease.id)


def _give_up(context: WorkerContext, lease: Lease, error: AssetError, state: str, *, streak: int) -> None:
    """Settle the asset as ``rejected`` or ``expired``, or as ``archived`` if its object is in the bucket.

    A worker may have died between the write of the object and its record, and Redis may have been restored from an
    older copy (``test_an_object_that_is_there_is_found_when_the_asset_is_given_up``).
    """
    try:
        with context.heartbeats.held(lease, context.must_stop):
            found = context.store.look_up(lease.key)
    except TransientError as unanswered:
        log.warning("object_not_looked_up", reason=unanswered.reason, detail=unanswered.detail)
        _postpone(context, lease, error, streak=streak, until=context.now() + _LOOK_AGAIN)
        return
    if found:
        _settle_archived(context, lease, facts_of_found(found))
        log.warning("object_found", key=lease.key, found=found.found, reason=error.reason)
        return
    _settle(context, lease, state, reason=error.reason)
    log.error(f"asset_{state}", reason=error.reason, detail=error.detail, attempt=lease.attempts)  # noqa: G004 - two fixed words


def _settle_archived(context: WorkerContext, lease: Lease, facts: ObjectFacts) -> None:
    _settle(context, lease, "archived", facts=facts)
    # The partial file is deleted only now: an asset that is not settled may yet have to end with it.
    forget_partial(context.store, lease)


def _settle(
    context: WorkerContext, lease: Lease, state: str, *, reason: str = "", facts: ObjectFacts | None = None
) -> None:
    """Settle the asset, and write the manifest if it was the task's last open one."""
    still_open = context.ledger.settle(lease.id, lease.owner, state, reason=reason, facts=facts)
    if not still_open:
        write_manifest(context, lease.id.task_id)
