"""The story of the inbox: callbacks that the ingress kept in the bucket are moved to Redis when it is back."""

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

#: How many callbacks are moved before workers are called to them.
BATCH = 200
#: Moving one callback is waiting for S3 three times over.
_MOVERS = 8
#: Two who drain at a time would do everything twice. That is harmless, so the lock is short (seconds): whoever
#: holds it when Redis goes away again cannot release it, and the rest must not wait long for that.
_LOCK = "stemvault:inbox:drainer"
_LOCK_SECONDS = 10.0


def drain(context: WorkerContext) -> int:
    """Move all that lies in the inbox to the received callbacks, oldest first; give the number.

    Kept there first and deleted then: who dies in between does it twice, and the second is known already.
    Nothing happens while another drains, or while Redis has no room. Raises ``TransientError`` where the bucket, and
    redis-py's errors where the broker cannot be reached.
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
    return context.store.list(context.settings.layout.inbox_key(""), limit=BATCH)


def _move(context: WorkerContext, key: str) -> bool:
    body = context.store.read_text(key) if _has_room(context) else None
    if body is None:
        return False
    arrival = received_at(key)
    # What somebody else put here may be no text; it must not stand in the way of the rest.
    context.received.put(body.decode(errors="replace"), context.now() if arrival is None else arrival)
    context.store.delete(key)
    return True
