"""No source holds an attempt for longer than TRANSFER_TIMEOUT, or below LOW_SPEED_LIMIT for LOW_SPEED_TIME."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
import requests

from tests.conftest import MakeSettings
from tests.never_ending import NEVER_ENDING, Serve, dripped_body, serving
from tests.origin import Answer, Origin, song
from workers.connections import attempt as attempt_module
from workers.connections import lookups
from workers.connections.attempt import cut_off_after
from workers.errors import TransientError
from workers.source.body import MAX_RESUMPTIONS, Source
from workers.source.egress import open_session
from workers.source.opening import open_source

#: Seconds.
LIMIT, GRACE = 0.7, 1.0


def read_all(source: Source) -> bytes:
    buffer, taken = memoryview(bytearray(65536)), b""
    while count := source.read_into(buffer):
        taken += buffer[:count]
    return taken


def read_whole(make_settings: MakeSettings, url: str, **settings: str) -> bytes:
    local = {"ALLOW_PRIVATE_ADDRESSES": "true", "ALLOWED_ASSET_PORTS": "*", "TRANSFER_TIMEOUT": str(LIMIT), **settings}
    made = make_settings(**local)
    with open_source(open_session(made), url, made, clock=time.monotonic) as source:
        return read_all(source)


#: Without pauses, the chain of redirects is missing: it ends by its number.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("pieces", "pause"),
    [*((each, 0.05) for each in NEVER_ENDING), *((each, 0.0) for each in NEVER_ENDING[:-1])],
)
def test_an_attempt_ends_when_its_time_is_over(make_settings: MakeSettings, pieces: Serve, pause: float) -> None:
    with serving(pieces, pause) as url:
        began = time.monotonic()
        with pytest.raises(TransientError) as raised:
            read_whole(make_settings, url)
        took = time.monotonic() - began
    assert took < LIMIT + GRACE
    if pause:
        assert (raised.value.reason, took > LIMIT * 0.9) == ("slow", True)


@pytest.mark.slow
def test_a_name_lookup_that_never_ends_is_cut_off(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(lookups, "LOOKUP_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(30))
    for private in ("true", "false"):
        began = time.monotonic()
        with pytest.raises(TransientError):
            read_whole(make_settings, "http://name.test/song.mp3", ALLOW_PRIVATE_ADDRESSES=private)
        assert time.monotonic() - began < GRACE
    never.set()


@pytest.mark.slow
def test_a_connection_that_is_kept_belongs_to_the_attempt_that_uses_it(
    make_settings: MakeSettings, origin: Origin
) -> None:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", TRANSFER_TIMEOUT="0.5")
    session = open_session(settings)
    for number in range(4):
        url = origin.serve(f"/{number}.mp3", song(str(number)))
        with open_source(session, url, settings, clock=time.monotonic) as source:
            read_all(source)
        # The four attempts together take longer than one may.
        threading.Event().wait(0.2)
    slow = origin.serve("/slow.mp3", Answer(song("slow"), pause=0.05, piece=10))
    with pytest.raises(TransientError) as raised, open_source(session, slow, settings, clock=time.monotonic) as source:
        read_all(source)
    assert raised.value.reason == "slow"


@pytest.mark.slow
def test_a_source_below_the_least_speed_is_let_go(make_settings: MakeSettings) -> None:
    began = time.monotonic()
    with serving(dripped_body, 0.02) as url, pytest.raises(TransientError) as raised:
        read_whole(make_settings, url, TRANSFER_TIMEOUT="60", LOW_SPEED_TIME="0.5", LOW_SPEED_LIMIT="1000")
    assert raised.value.reason == "slow"
    assert time.monotonic() - began < 0.5 + GRACE
    began = time.monotonic()
    with serving(dripped_body, 0.02) as url, pytest.raises(TransientError):
        read_whole(make_settings, url, TRANSFER_TIMEOUT="1.5", LOW_SPEED_TIME="0.5", LOW_SPEED_LIMIT="10")
    assert time.monotonic() - began > 1.4


@pytest.mark.slow
@pytest.mark.parametrize("pieces", NEVER_ENDING)
def test_a_source_that_gives_nothing_useful_is_let_go_long_before_the_attempts_time_is_over(
    make_settings: MakeSettings, pieces: Serve
) -> None:
    began = time.monotonic()
    with serving(pieces, 0.05) as url, pytest.raises(TransientError):
        read_whole(make_settings, url, TRANSFER_TIMEOUT="60", LOW_SPEED_TIME="0.5")
    assert time.monotonic() - began < 2 * 0.5 + GRACE


def a_dripped_handshake(_: socket.socket) -> Iterator[bytes]:
    yield b"\x16\x03\x03\x40\x00"
    while True:
        yield b"x"


@pytest.mark.slow
def test_a_slow_tls_handshake_is_cut_off(make_settings: MakeSettings) -> None:
    began = time.monotonic()
    with serving(a_dripped_handshake, 0.05) as url, pytest.raises(TransientError) as raised:
        read_whole(make_settings, url.replace("http:", "https:"))
    assert raised.value.reason == "slow"
    assert time.monotonic() - began < LIMIT + GRACE


@pytest.mark.slow
def test_a_source_that_this_side_lets_wait_is_not_called_slow(make_settings: MakeSettings, origin: Origin) -> None:
    url = origin.serve("/x.mp3", song("x"))
    settings = make_settings(
        ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", LOW_SPEED_TIME="0.1", LOW_SPEED_LIMIT="1MiB"
    )
    buffer = memoryview(bytearray(64))
    with open_source(open_session(settings), url, settings, clock=time.monotonic) as source:
        for _ in range(3):
            assert source.read_into(buffer)
            threading.Event().wait(0.15)


def test_no_cookie_is_kept_or_sent(make_settings: MakeSettings, origin: Origin) -> None:
    url = origin.serve("/x.mp3", Answer(song("x"), headers={"Set-Cookie": "a=" + "b" * 4000}))
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*")
    session: requests.Session = open_session(settings)
    for _ in range(2):
        with open_source(session, url, settings, clock=time.monotonic):
            pass
    assert [headers.get("Cookie") for _, headers in origin.requests] == [None, None]


@pytest.mark.slow
def test_an_attempt_that_ends_does_not_take_the_connection_of_the_next_one_with_it(
    make_settings: MakeSettings, origin: Origin
) -> None:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", TRANSFER_TIMEOUT="0.5")
    patient = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*")
    session = open_session(settings)
    first, second = (
        origin.serve("/1.mp3", song("1")),
        origin.serve("/2.mp3", Answer(song("2"), pause=0.1, piece=len(song("2")) // 12)),
    )
    with open_source(session, first, settings, clock=time.monotonic) as source:
        read_all(source)
        connections = origin.connections

        def next_attempt() -> bytes:
            with open_source(session, second, patient, clock=time.monotonic) as source:
                return read_all(source)

        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(next_attempt)
            threading.Event().wait(0.7)  # the first attempt's time ends during this
            assert reading.result(20) == song("2")
    assert origin.connections == connections, "the connection was not used again, so the test proves nothing"


@pytest.mark.slow
def test_forgetting_the_source_leaves_the_stores_connection_in_the_attempt() -> None:
    (own, source), (kept, store) = socket.socketpair(), socket.socketpair()
    with own, source, kept, store:
        with cut_off_after(0.3) as attempt:
            attempt.add(source)
            attempt.add(store, to_store=True)
            attempt.forget_source()
            store.settimeout(10)
            assert store.recv(1) == b"", "it was shut down"
        source.setblocking(False)
        with pytest.raises(BlockingIOError):
            source.recv(1)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.slow
def test_a_source_that_gives_a_byte_a_connection_is_let_go_and_leaves_no_descriptors(
    make_settings: MakeSettings, origin: Origin
) -> None:
    whole = song("x")
    url = origin.serve("/x.mp3", *(Answer(whole, etag='"x"', cut_at=1 if number else 10) for number in range(1000)))
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*")
    before = descriptors()
    source = open_source(open_session(settings), url, settings, clock=time.monotonic)
    with pytest.raises(TransientError) as raised, source as opened:
        read_all(opened)
    assert raised.value.reason == "truncated"
    assert origin.count("/x.mp3") == MAX_RESUMPTIONS + 1
    assert descriptors() < before + 10


@pytest.mark.slow
def test_an_attempt_ends_also_after_a_thread_could_not_be_started_and_in_a_forked_process(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt_module._watchdog.__init__()  # type: ignore[misc]  # noqa: SLF001 - as in a process that has just begun
    with monkeypatch.context() as patch, ExitStack() as attempts:
        patch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            attempts.enter_context(cut_off_after(1))
    with serving(dripped_body, 0.05) as url:
        with pytest.raises(TransientError, match="slow"):
            read_whole(make_settings, url)
        child = os.fork()
        if not child:
            with suppress(TransientError):
                read_whole(make_settings, url)
            os._exit(7)
        began = time.monotonic()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert time.monotonic() - began < LIMIT + GRACE


@pytest.mark.slow
def test_a_process_can_end_while_a_name_is_being_resolved() -> None:
    code = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(30)
from workers.connections import lookups
lookups.LOOKUP_SECONDS = 0.2
try:
    lookups.looked_up(lambda: socket.getaddrinfo("x", 80))
except TimeoutError:
    print("in time")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=10, check=True)
    assert done.stdout == "in time\n"
