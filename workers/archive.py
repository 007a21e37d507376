"""The story of an asset: take → open → check → store → record.

1. Take: the ledger gives the ready asset with the earliest deadline to one worker, under a lease. A thread of
   ``workers.liveness`` renews the lease while the transfer runs.
2. Open: the worker requests the asset's URL, or reads the partial file that an earlier attempt kept in the bucket.
3. Check: the file's parts are checked while they pass (``workers.archiving.checks``).
4. Store: the parts are written to the bucket, on the condition that the key is free.
5. Record: the ledger settles the asset, or sets a timer for its next attempt (``workers.archiving.outcome``). With the
   task's last asset, its manifest is written.

``archive_next`` stores one asset; ``workers.carry`` stores many at a time.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from itertools import chain

import structlog
from redis.exceptions import RedisError

from workers.archiving.checks import check_end, check_head, check_seconds
from workers.archiving.facts import Findings, metadata_of
from workers.archiving.outcome import hand_back, record_archived, record_failure
from workers.archiving.partial import Readable, open_partial
from workers.bucket.store import NewObject, Stored
from workers.context import WorkerContext
from workers.dispatch.containment import contained
from workers.errors import (
    AssetError,
    FreshUrlError,
    HandedBackError,
    LeaseLostError,
    PermanentError,
    ShortError,
    TransientError,
)
from workers.follow_up import follow_up
from workers.ledger.values.lease import Lease
from workers.liveness.heartbeats import Hold
from workers.source.opening import open_source
from workers.transfer.memory import Reservation
from workers.transfer.parts import Digest, read_parts

log = structlog.get_logger()


def archive_next(context: WorkerContext, queues: Sequence[str], owner: str) -> bool:
    """Store the ready asset with the earliest deadline; tell whether there was one, and memory for it.

    The first of ``queues`` that has an asset is used. ``owner`` names the lease's owner; no two leases may have the
    same owner at a time. Raises the errors of ``archive``.
    """
    if not (reservation := context.memory.reserve()):
        return False
    with reservation:
        lease = context.ledger.take(queues, owner)
        if lease is None:
            return False
        if lease.queue_to_wake:
            with contained("call"):
                context.wake_ups.send(lease.queue_to_wake, 1)
        archive(context, lease, reservation)
    return True


def archive(context: WorkerContext, lease: Lease, reservation: Reservation) -> None:
    """Store the asset of a lease, with the memory of ``reservation``.

    A fault of the source or of the bucket is recorded with the asset, and a timer is set for the next attempt. Raises
    redis-py's errors when the ledger cannot be reached. Then the lease ends, its timer fires, and the sweep makes the
    asset ready again (``test_a_killed_workers_asset_is_taken_up_when_its_lease_ends``).
    """
    with structlog.contextvars.bound_contextvars(task_id=lease.id.task_id, asset=lease.id.name):
        try:
            _attempt(context, lease, reservation)
        except LeaseLostError:
            log.warning("lease_lost", attempt=lease.attempts)
        except FreshUrlError:
            follow_up(context, lease.id)
            log.info("asset_has_fresh_url", attempt=lease.attempts)


def _attempt(context: WorkerContext, lease: Lease, reservation: Reservation) -> None:
    """Transfer the file and record the outcome."""
    started = context.monotonic()
    log.info("asset_attempt_started", attempt=lease.attempts, worker=socket.gethostname())
    try:
        stored, findings = _transfer(context, lease, reservation)
    except HandedBackError:
        hand_back(context, lease)
    except AssetError as error:
        # A worker that must stop shuts its connections down, which looks like a fault of the source. A verdict on the
        # file (ShortError, PermanentError) has no such cause.
        if context.must_stop() and not isinstance(error, (ShortError, PermanentError)):
            hand_back(context, lease)
        else:
            record_failure(context, lease, error)
    except (LeaseLostError, RedisError):
        raise
    except Exception as error:
        log.exception("attempt_crashed")
        record_failure(context, lease, TransientError("internal_error", type(error).__name__))
    else:
        record_archived(context, lease, stored, findings, started=started)


def _transfer(context: WorkerContext, lease: Lease, reservation: Reservation) -> tuple[Stored, Findings]:
    """Open the source, check its parts and store them; nothing is recorded yet.

    Raises ``AssetError`` for a fault of source, file or bucket, ``LeaseLostError``, and ``HandedBackError`` when the
    worker must stop.
    """
    with context.heartbeats.held(lease, context.must_stop) as hold, _source(context, lease) as source:
        digest = Digest()
        reservation.fit(source.announced)
        with closing(read_parts(_reading(source, hold), reservation, digest)) as parts:
            first = next(parts)
            findings = check_head(first, lease.key)
            new = NewObject(lease.key, findings.content_type, metadata_of(lease))
            checked = check_seconds(context, lease, chain([first], parts), findings)
            if not source.has_announced_end:
                checked = check_end(context, lease, checked, findings)
            stored = context.store.write_once(new, checked, digest, hold)
    return stored, findings


def _source(context: WorkerContext, lease: Lease) -> AbstractContextManager[Readable]:
    """Open the asset's URL or, for the asset's last attempt, its partial file."""
    if lease.final:
        return open_partial(context, lease.partial)
    return open_source(
        context.session, lease.url, context.settings, clock=context.monotonic, must_stop=context.must_stop
    )


def _reading(source: Readable, hold: Hold) -> Callable[[memoryview], int]:
    """Give the source's ``read_into``, which raises before a read if the lease is lost or the worker must stop."""

    def read_into(buffer: memoryview) -> int:
        hold.alive()
        return source.read_into(buffer)

    return read_into
