"""A name with several addresses has the limits of one: each is tried, and none adds to the time."""

import socket
import time

import pytest
from urllib3 import PoolManager
from urllib3.exceptions import ConnectTimeoutError

from tests.conftest import MakeSettings
from tests.silent import resolving, silent_addresses
from workers.connections import dialing, pools
from workers.connections.attempt import cut_off_after
from workers.connections.dialing import dial
from workers.errors import TransientError
from workers.source.egress import open_session
from workers.source.opening import open_source

#: Seconds.
LIMIT, GRACE = 0.7, 1.0


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"TRANSFER_TIMEOUT": str(LIMIT)}, {"LOW_SPEED_TIME": str(LIMIT)}])
def test_an_attempt_that_ends_stops_connecting(make_settings: MakeSettings, limits: dict[str, str]) -> None:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", **limits)
    with silent_addresses(4) as (addresses, port), resolving(addresses) as name:
        began = time.monotonic()
        source = open_source(open_session(settings), f"http://{name}:{port}/x.mp3", settings, clock=time.monotonic)
        with pytest.raises(TransientError, match="slow"), source:
            pass
        assert time.monotonic() - began < LIMIT + GRACE


@pytest.mark.slow
@pytest.mark.parametrize("classes", [pools.POOLS, pools.STORE_POOLS])
def test_several_silent_addresses_have_one_limit_together(classes: dict[str, type]) -> None:
    http = PoolManager(retries=False)
    http.pool_classes_by_scheme = classes
    with silent_addresses(4) as (addresses, port), resolving(addresses) as name:
        began = time.monotonic()
        with pytest.raises(ConnectTimeoutError):
            http.request("GET", f"http://{name}:{port}/", timeout=LIMIT)
        assert time.monotonic() - began < LIMIT + GRACE


@pytest.mark.slow
def test_a_silent_address_leaves_time_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "LEAST_SHARE", 0.05)
    prepared: list[socket.socket] = []
    with silent_addresses(2) as (addresses, port), socket.create_server(("127.0.0.1", port)), cut_off_after(10):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in (*addresses, "127.0.0.1")]
        with dial(found, seconds=0.6, prepare=prepared.append) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.gettimeout() == 0.6
    assert [each.fileno() for each in prepared] == [-1, -1, -1], "a socket was left open"
