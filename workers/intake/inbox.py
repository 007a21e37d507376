"""``_inbox/`` in the bucket: the callbacks that were acknowledged while Redis was away or nearly full.

The ingress writes them and the workers drain them (``workers.clock.drain``). An object's name has the callback's
time of arrival, from which deadlines count.
"""

import re
from uuid import uuid4

from config.layout import KeyLayout
from workers.bucket.documents import Documents

_NAME = re.compile(r"(?P<milliseconds>[0-9]{15})-[0-9a-f]{32}\.json")


def keep(store: Documents, layout: KeyLayout, body: bytes, received_at: float) -> None:
    """Put a callback's body into the inbox. Raises ``TransientError`` if the bucket does not store it.

    ``received_at`` is in unix seconds.
    """
    name = f"{int(received_at * 1000):015d}-{uuid4().hex}.json"
    store.write_text(layout.inbox_key(name), body, "application/json")


def received_at(key: str) -> float | None:
    """Read a callback's time of arrival (unix seconds) from its key; None if this module did not make the key."""
    name = _NAME.fullmatch(key.rpartition("/")[2])
    return int(name["milliseconds"]) / 1000 if name else None
