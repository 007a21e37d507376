"""Names whose addresses are silent: they neither accept a connection nor refuse it, as behind a firewall."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from unittest.mock import patch

#: A name that only ``resolving`` knows.
NAME = "many.test"


@contextmanager
def silent_addresses(number: int) -> Iterator[tuple[list[str], int]]:
    """Yield loopback addresses, and the one port at which they are silent: their queues of connections are full."""
    addresses, port = [f"127.0.0.{last}" for last in range(2, number + 2)], 0
    with ExitStack() as opened:
        for address in addresses:
            listener = opened.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(3):
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect((address, port))
        yield addresses, port


@contextmanager
def resolving(addresses: Sequence[str]) -> Iterator[str]:
    """Give a name these addresses, in this order."""

    def resolve(_host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    with patch("socket.getaddrinfo", resolve):
        yield NAME
