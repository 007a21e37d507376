"""The story of the inbox: callbacks that the ingress kept in the bucket are moved to Redis when it is back.

Celery beat starts a drain every 10 seconds. For each object under ``_inbox/``, oldest first, the callback is kept in
Redis and then the object is deleted. A worker that dies between the two leaves a callback that is moved twice, which
is harmless: the ledger records the same body once (``test_a_drain_that_breaks_off_loses_nothing``).
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import structlog
from redis.exceptions import LockError

from workers.context import WorkerContext
from workers.follow_up import top_up_wake_ups
from workers.intake.fullness import INGRESS_STOPS
from workers.intake.inbox import received_at

log = structlog.get_logger()

#: How many callbacks are moved before wake-up messages are sent for them.
MAX_CALLBACKS = 200
#: Threads that move callbacks. Each callback needs a read and a delete in S3, one after the other.
_MOVERS = 8
#: The lock keeps two workers from moving the same callbacks, which would be harmless but slow. It expires soon
#: (seconds): a worker cannot release it while Redis is away
#: (test_one_worker_drains_the_inbox_at_a_time_and_its_lock_expires).
_LOCK = "stemvault:inbox:drainer"
_LOCK_SECONDS = 10.0


def drain(context: WorkerContext) -> int:
    """Move all callbacks from the inbox to Redis, oldest first; give their number.

    Nothing is moved while another worker holds the lock, or while Redis is too full for the ingress. Raises
    ``TransientError`` when the bucket cannot be reached, and redis-py's errors when Redis cannot be reached.
    """
    lock = context.ledger.redis.lock(_LOCK, timeout=_LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return 0
    drained = 0
    try:
        with ThreadPoolExecutor(_MOVERS) as movers:
            while not context.must_stop() and _has_room(context) and (keys := _oldest(context)):
                for moved in movers.map(partial(_move, context), keys):
                    drained += moved
                    lock.reacquire()
                top_up_wake_ups(context)
    finally:
        with suppress(LockError):
            lock.release()
    if drained:
        log.info("inbox_drained", callbacks=drained)
    return drained


def _has_room(context: WorkerContext) -> bool:
    return context.fullness() < INGRESS_STOPS


def _oldest(context: WorkerContext) -> list[str]:
    return context.store.list(context.settings.layout.inbox_key(""), limit=MAX_CALLBACKS)


def _move(context: WorkerContext, key: str) -> bool:
    """Move one callback; tell whether it was moved."""
    body = context.store.read_text(key) if _has_room(context) else None
    if body is None:
        return False
    arrival = received_at(key)
    # An object that the ingress did not write may not be UTF-8. It must not block the others
    # (test_a_foreign_object_in_the_inbox_does_not_block_the_callbacks).
    context.received.put(body.decode(errors="replace"), context.now() if arrival is None else arrival)
    context.store.delete(key)
    return True
