"""``_inbox/``: where an acknowledged callback is safe while the broker is down.

The ingress puts the body there; the fleet drains it when the broker is back. An object's name holds
the time of its arrival, from which deadlines count.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from uuid import uuid4

import structlog
from redis.exceptions import LockError

from config.layout import KeyLayout
from workers.dispatch import top_up_tickets
from workers.room import INGRESS_STOPS
from workers.store import Store
from workers.vault import Vault

log = structlog.get_logger()

#: How many callbacks are moved before workers are called to them.
BATCH = 200
#: Moving one callback is waiting for S3 three times over.
_MOVERS = 8
#: Two who drain at a time would do everything twice. That is harmless, so the lock is short (seconds): whoever
#: holds it when Redis goes away again cannot release it, and the rest must not wait long for that.
_LOCK = "stemvault:inbox:drainer"
_LOCK_SECONDS = 10.0

_NAME = re.compile(r"(?P<milliseconds>[0-9]{15})-[0-9a-f]{32}\.json")


def keep(store: Store, layout: KeyLayout, body: bytes, received_at: float) -> None:
    """Put a callback's body into the inbox. Raises ``TransientError`` where the bucket does not take it."""
    name = f"{int(received_at * 1000):015d}-{uuid4().hex}.json"
    store.write_text(layout.inbox_key(name), body, "application/json")


def drain(vault: Vault) -> int:
    """Move all that lies in the inbox to the received callbacks, oldest first; give the number.

    Kept there first and deleted then: who dies in between does it twice, and the second is known already.
    Nothing happens while another drains, or while Redis has no room. Raises ``TransientError`` where the bucket, and
    redis-py's errors where the broker cannot be reached.
    """
    lock = vault.ledger.redis.lock(_LOCK, timeout=_LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return 0
    drained = 0
    try:
        with ThreadPoolExecutor(_MOVERS) as movers:
            while not vault.must_stop() and _has_room(vault) and (keys := _oldest(vault)):
                for moved in movers.map(partial(_move, vault), keys):
                    drained += moved
                    lock.reacquire()
                top_up_tickets(vault)
    finally:
        with suppress(LockError):
            lock.release()
    if drained:
        log.info("inbox_drained", callbacks=drained)
    return drained


def _has_room(vault: Vault) -> bool:
    return vault.fullness() < INGRESS_STOPS


def _oldest(vault: Vault) -> list[str]:
    return vault.store.list(vault.settings.layout.inbox_key(""), limit=BATCH)


def _move(vault: Vault, key: str) -> bool:
    body = vault.store.read_text(key) if _has_room(vault) else None
    if body is None:
        return False
    name = _NAME.fullmatch(key.rpartition("/")[2])
    received_at = int(name["milliseconds"]) / 1000 if name else vault.now()
    # What somebody else put here may be no text; it must not stand in the way of the rest.
    vault.received.put(body.decode(errors="replace"), received_at)
    vault.store.delete(key)
    return True
