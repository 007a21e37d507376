"""urllib3 connection pools whose sockets belong to the attempt that uses them.

This module overrides private attributes of urllib3: ``_new_conn``, ``_put_conn``, ``_make_request``, ``_get_timeout``,
``_dns_host`` and ``_DEFAULT_TIMEOUT``, and uses http.client's ``sock`` and ``response_class``. Checked with urllib3
2.8.0 on Python 3.11. ``tests/unit/connections/test_pools.py`` fails if they change.
"""

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.timeout import _DEFAULT_TIMEOUT

from workers.connections.attempt import Attempt, current_attempt
from workers.connections.chunks import StrictResponse
from workers.connections.dialing import Address, dial
from workers.connections.lookups import looked_up


class _AttemptConnection(HTTPConnection):
    """A connection that is shut down when the attempt that uses it ends."""

    response_class = StrictResponse
    _goes_to_store = False
    _held: tuple[Attempt, socket.socket] | None = None

    def _new_conn(self) -> socket.socket:
        limit = self.timeout if isinstance(self.timeout, int | float) else None
        try:
            connection = dial(self._addresses(), seconds=limit, prepare=self._prepare)
        except TimeoutError as error:
            self.leave_attempt()
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
        except OSError as error:
            self.leave_attempt()
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        return connection

    def _addresses(self) -> list[Address]:
        """Resolve the name. Where private addresses are allowed, this is its only lookup."""
        host, port = self._dns_host.strip("[]"), self.port
        try:
            return looked_up(lambda: socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except OSError as error:  # not in time, or the system gives no thread
            raise NewConnectionError(self, str(error)) from None

    def _prepare(self, connection: socket.socket) -> None:
        """Set the options, and join the attempt before the socket connects, so that its end also ends the connecting.

        Held by ``test_an_attempt_that_ends_stops_connecting``.
        """
        for option in self.socket_options or ():
            connection.setsockopt(*option)
        if self.source_address:
            connection.bind(self.source_address)
        self._join_attempt(connection)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's signature
        if self.sock:  # kept from an earlier attempt
            self._join_attempt(self.sock)
        super().request(*args, **kwargs)

    def _join_attempt(self, connection: socket.socket) -> None:
        self.leave_attempt()
        if attempt := current_attempt():
            self._held = attempt, attempt.add(connection, to_store=self._goes_to_store)

    def leave_attempt(self) -> None:
        """Take the connection from its attempt, before it goes back to the pool."""
        if self._held:
            attempt, connection = self._held
            attempt.drop(connection)
            self._held = None


class _AttemptTLSConnection(_AttemptConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _AttemptConnection

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - urllib3's signature
        # Before the next attempt can use the connection, or the end of this attempt would shut it down.
        # Held by test_an_attempt_that_ends_does_not_take_the_connection_of_the_next_one_with_it.
        if isinstance(conn, _AttemptConnection) and conn.sock:
            conn.leave_attempt()
        super()._put_conn(conn)


class _TLSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _AttemptTLSConnection


class _StoreConnection(_AttemptConnection):
    """A connection to the bucket. Each send of a body has the read timeout as its limit.

    urllib3 keeps the connect timeout until it reads the response, so uploads over a slow uplink failed.
    """

    _goes_to_store = True
    send_timeout: float | None = None

    def connect(self) -> None:
        """Connect, TLS included, within the connect timeout."""
        super().connect()
        self.sock.settimeout(self.send_timeout)


class _StoreTLSConnection(_StoreConnection, HTTPSConnection):
    pass


class _StorePool(_Pool):
    ConnectionCls = _StoreConnection

    def _make_request(self, conn: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - urllib3's signature
        conn.send_timeout = self._get_timeout(kwargs.get("timeout", _DEFAULT_TIMEOUT)).read_timeout
        return super()._make_request(conn, *args, **kwargs)


class _StoreTLSPool(_StorePool, HTTPSConnectionPool):
    ConnectionCls = _StoreTLSConnection


#: For ``PoolManager.pool_classes_by_scheme``: for sources, and for the bucket.
POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}
STORE_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _StorePool, "https": _StoreTLSPool}
