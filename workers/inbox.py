"""``_inbox/``: where an acknowledged callback is safe while the broker is down.

The ingress puts the body there; the fleet drains it when the broker is back. An object's name holds
the time of its arrival, from which deadlines count.
"""

from collections.abc import Callable
from uuid import uuid4

import structlog

from config.layout import KeyLayout
from workers.store import Store

log = structlog.get_logger()

#: How many callbacks one round drains; the next round, seconds later, takes the next.
BATCH = 1000


def keep(store: Store, layout: KeyLayout, body: bytes, received_at: float) -> None:
    """Put a callback's body into the inbox. Raises ``TransientError`` where the bucket does not take it."""
    name = f"{int(received_at * 1000):015d}-{uuid4().hex}.json"
    store.write_text(layout.inbox_key(name), body, "application/json")


def drain(store: Store, layout: KeyLayout, send: Callable[[str, float], object]) -> int:
    """Send what lies in the inbox on its way and delete it; give the number.

    Sent first and deleted then: who dies in between sends it twice, and the second is known already.
    Raises ``TransientError`` where the bucket, and what ``send`` raises where the broker cannot be reached.
    """
    keys = store.list(layout.inbox_key(""), limit=BATCH)
    for key in keys:
        body = store.read_text(key)
        if body is not None:
            arrived, _, _ = key.rpartition("/")[2].partition("-")
            send(body.decode(), int(arrived) / 1000)
            store.delete(key)
    if keys:
        log.info("inbox_drained", callbacks=len(keys))
    return len(keys)
