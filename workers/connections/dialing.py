"""Connects to one of a name's addresses, with one limit for all of them.

urllib3 gives each address the whole connect timeout, so a name with many silent addresses could block an attempt for
many times its limit.
"""

import math
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from workers.connections.attempt import current_attempt

#: An address as ``socket.getaddrinfo`` gives it: family, kind, protocol, canonical name, address.
Address = tuple[Any, Any, Any, str, Any]

#: The least seconds for one address, so that a lost SYN can be sent again (after 1 s: RFC 6298, section 2.1).
LEAST_SHARE = 3.0


def dial(
    addresses: Sequence[Address], *, seconds: float | None, prepare: Callable[[socket.socket], object]
) -> socket.socket:
    """Connect to the first address that accepts, within ``seconds`` for all of them, and within the attempt's time.

    Each address has an equal share of the time that is left, and at least ``LEAST_SHARE``, so that a silent address
    leaves time for the next one. ``prepare`` gets each socket before it connects. Afterwards ``seconds`` are the
    socket's own limit; None is no limit. Raises ``TimeoutError``, or the ``OSError`` of the last address.
    Held by ``test_several_silent_addresses_have_one_limit_together`` and
    ``test_a_silent_address_leaves_time_for_the_next_one``.
    """
    attempt = current_attempt()
    limit = min(math.inf if seconds is None else seconds, attempt.left if attempt else math.inf)
    give_up_at = time.monotonic() + limit
    failure = OSError("the name has no address")
    for number, address in enumerate(addresses):
        left = give_up_at - time.monotonic()
        if left <= 0 or (attempt and attempt.is_over):
            raise TimeoutError("no address accepted in time")
        share = min(left, max(left / (len(addresses) - number), LEAST_SHARE))
        try:
            connection = _connected(address, None if math.isinf(share) else share, prepare)
        except OSError as error:
            failure = error
            continue
        connection.settimeout(seconds)
        return connection
    raise failure


def _connected(address: Address, seconds: float | None, prepare: Callable[[socket.socket], object]) -> socket.socket:
    family, kind, protocol, _, target = address
    connection = socket.socket(family, kind, protocol)
    try:
        prepare(connection)
        connection.settimeout(seconds)
        connection.connect(target)
    except BaseException:
        connection.close()
        raise
    return connection
