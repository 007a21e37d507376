"""Reads a response's body straight from its connection, and looks behind its end.

urllib3 and http.client have no public way to do either, so this module uses private attributes: urllib3's ``_fp`` and
``length_remaining``, http.client's ``length`` and ``fp``, and socket's ``SocketIO._sock``. Checked with urllib3 2.8.0
on Python 3.11. ``tests/unit/source/test_raw_reads.py`` fails if they change.
"""

import select
import socket
import ssl
from contextlib import suppress
from typing import Any

#: Seconds to wait for a byte behind the announced end, once an asset.
_WAIT_SECONDS = 0.005


def read_directly(raw: Any, buffer: memoryview, remaining: int) -> int | None:  # noqa: ANN401 - urllib3's response
    """Read into ``buffer`` without a copy, keep the libraries' counts right, and return the number of bytes.

    Return None without reading where http.client counts other than ``remaining`` bytes, such as in a chunked body.
    ``buffer`` must end before the body's last byte: urllib3 returns the connection to its pool when it reads that one.
    """
    http: Any = raw._fp  # noqa: SLF001 - see the module's docstring
    if not http.length == remaining > 0:
        return None
    count: int = http.fp.readinto1(buffer)
    http.length -= count
    raw.length_remaining = http.length
    return count


def more_follows(raw: Any) -> bool:  # noqa: ANN401 - urllib3's response
    """Tell whether more than one byte is left in the connection, or arrives within ``_WAIT_SECONDS``.

    Call it when one byte of the body is left. False where the connection cannot be asked.
    """
    connection = getattr(getattr(raw, "_fp", None), "fp", None)
    with suppress(OSError, ValueError, AttributeError):
        return connection is not None and (len(connection.peek(1)) > 1 or _more_arrives(connection.raw))
    return False


def _more_arrives(stream: socket.SocketIO) -> bool:
    """Tell whether the socket has unread bytes, or gets some within ``_WAIT_SECONDS``. False for TLS.

    TLS sends records of its own at the end of a connection; only a read tells them from data.
    """
    connection: socket.socket = stream._sock  # type: ignore[attr-defined]  # noqa: SLF001 - see the module's docstring
    if isinstance(connection, ssl.SSLSocket):
        return False
    # Not select(), which fails for descriptors above 1,023.
    arriving = select.poll()
    arriving.register(connection, select.POLLIN)
    if not arriving.poll(_WAIT_SECONDS * 1000):
        return False
    return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
