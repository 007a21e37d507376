"""urllib3 calls the private methods that ``pools`` overrides, for every connection, request and return to the pool."""

import socket
from typing import Any

import pytest
from urllib3 import PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from tests.origin import Answer, Origin
from workers.connections import pools
from workers.connections.attempt import Attempt, cut_off_after
from workers.connections.chunks import StrictResponse


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which handles of sockets attempts get and give back."""
    events: list[str] = []
    add, drop = Attempt.add, Attempt.drop

    def added(self: Attempt, used: socket.socket, *, to_store: bool = False) -> socket.socket:
        events.append("to store" if to_store else "to source")
        return add(self, used, to_store=to_store)

    def dropped(self: Attempt, connection: socket.socket) -> None:
        events.append("dropped")
        drop(self, connection)

    monkeypatch.setattr(Attempt, "add", added)
    monkeypatch.setattr(Attempt, "drop", dropped)
    return events


def manager(classes: Any) -> PoolManager:
    made = PoolManager(retries=False)
    made.pool_classes_by_scheme = classes
    return made


@pytest.mark.parametrize(("classes", "to"), [(pools.POOLS, "to source"), (pools.STORE_POOLS, "to store")])
def test_a_new_connection_and_a_kept_one_belong_to_the_attempt_until_they_go_back_to_the_pool(
    origin: Origin, handles: list[str], classes: Any, to: str
) -> None:
    url = origin.serve("/x", Answer(b"body"))
    http = manager(classes)
    for _ in range(2):
        with cut_off_after(10):
            assert http.request("GET", url).data == b"body"
    assert handles == [to, "dropped"] * 2
    assert origin.connections == 1


def test_a_connection_to_the_bucket_sends_within_the_read_timeout(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[float | None] = []

    def send(self: HTTPConnection, data: Any) -> None:
        HTTPConnection.send(self, data)
        timeouts.append(self.sock.gettimeout())

    monkeypatch.setattr(pools._StoreConnection, "send", send, raising=False)  # noqa: SLF001 - what is tested
    url = origin.serve("/x", Answer(b"body"))
    manager(pools.STORE_POOLS).request("GET", url, timeout=Timeout(connect=3, read=7))
    assert timeouts == [7]


def test_a_response_is_read_with_strict_chunk_sizes(origin: Origin) -> None:
    url = origin.serve("/x", Answer(b"body", chunked=True))
    response = manager(pools.POOLS).request("GET", url, preload_content=False)
    assert isinstance(response._fp, StrictResponse)  # type: ignore[attr-defined]  # noqa: SLF001 - what is tested
    assert response.read() == b"body"


def test_a_lookup_that_takes_too_long_is_the_error_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(_: Any) -> None:
        raise TimeoutError("no result")

    monkeypatch.setattr(pools, "looked_up", looked_up)
    with pytest.raises(NewConnectionError, match="no result"):
        manager(pools.POOLS).request("GET", "http://name.test/")
