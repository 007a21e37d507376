"""urllib3 connection pools whose sockets belong to the attempt that uses them.

This module overrides private parts of urllib3: ``_new_conn``, ``_put_conn``, ``_make_request``, ``_get_timeout`` and
``_DEFAULT_TIMEOUT``, and uses http.client's ``sock`` and ``response_class``. Checked with urllib3 2.8.0 on Python 3.11.
``tests/unit/connections/test_pools.py`` fails if they change.
"""

import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.util.timeout import _DEFAULT_TIMEOUT

from workers.connections.attempt import Attempt, current_attempt
from workers.connections.chunks import StrictResponse
from workers.connections.lookups import looked_up


class _AttemptConnection(HTTPConnection):
    """A connection that is shut down when the attempt that uses it ends."""

    response_class = StrictResponse
    _goes_to_store = False
    _held: tuple[Attempt, socket.socket] | None = None

    def _new_conn(self) -> socket.socket:
        # Where private addresses are allowed, this is the first lookup of the name.
        try:
            looked_up(lambda: socket.getaddrinfo(self.host.strip("[]"), self.port))
        except TimeoutError as error:
            raise NewConnectionError(self, str(error)) from None
        except OSError:
            pass  # urllib3 looks it up again and raises an error that names the host
        connection = super()._new_conn()
        self._join_attempt(connection)
        return connection

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
