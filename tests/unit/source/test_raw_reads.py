"""The private attributes of urllib3, http.client and socket that ``raw_reads`` uses still work as it needs them."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from tests.conftest import MakeSettings
from tests.origin import Answer, Origin, film
from workers.errors import TransientError
from workers.source import body, raw_reads
from workers.source.egress import open_session
from workers.source.opening import open_source

LOCAL = {"ALLOW_PRIVATE_ADDRESSES": "true", "ALLOWED_ASSET_PORTS": "*"}


def test_a_large_body_is_read_straight_from_its_connection_which_then_goes_back_to_its_pool(
    make_settings: MakeSettings, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct: list[int | None] = []

    def recorded(raw: object, buffer: memoryview, remaining: int) -> int | None:
        direct.append(raw_reads.read_directly(raw, buffer, remaining))
        return direct[-1]

    monkeypatch.setattr(body, "read_directly", recorded)
    content = film(2 * 1024**2)
    url = origin.serve("/film.mp4", content)
    settings = make_settings(**LOCAL)
    session = open_session(settings)
    buffer = memoryview(bytearray(1024**2))
    for _ in range(2):
        taken = b""
        with open_source(session, url, settings, clock=time.monotonic) as source:
            while count := source.read_into(buffer):
                taken += buffer[:count]
        assert taken == content
    assert direct.count(None) == 2, "at the end of each body, and nowhere else"
    assert sum(filter(None, direct)) > len(content)
    assert origin.connections == 1


def test_a_chunked_body_is_not_read_directly(origin: Origin) -> None:
    url = origin.serve("/x", Answer(bytes(100), chunked=True))
    with requests.get(url, stream=True, timeout=10) as response:
        assert raw_reads.read_directly(response.raw, memoryview(bytearray(50)), 100) is None
        assert response.raw.read() == bytes(100)


@contextmanager
def one_byte_left(extra: bytes, pause: float, context: ssl.SSLContext | None = None) -> Iterator[object]:
    """Yield urllib3's response to a body of ``xy`` of which ``x`` was read; ``extra`` follows after a pause."""
    over = threading.Event()

    def serve() -> None:
        accepted, _ = listener.accept()
        with context.wrap_socket(accepted, server_side=True) if context else accepted as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy")
            over.wait(pause)
            connection.sendall(extra)
            over.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        url = f"http{'s' if context else ''}://127.0.0.1:{listener.getsockname()[1]}/"
        try:
            with requests.get(url, stream=True, timeout=10) as response:
                assert response.raw.read1(1) == b"x"
                yield response.raw
        finally:
            over.set()
            server.join()


@pytest.mark.slow
def test_a_byte_behind_the_announced_end_is_seen_in_the_buffer_and_in_the_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_reads, "_WAIT_SECONDS", 2.0)
    with one_byte_left(b"z", 0.0) as raw:
        assert raw_reads.more_follows(raw)
    with one_byte_left(b"z", 0.3) as raw:
        assert raw_reads.more_follows(raw)
    monkeypatch.setattr(raw_reads, "_WAIT_SECONDS", 0.005)
    with one_byte_left(b"", 0.0) as raw:
        assert not raw_reads.more_follows(raw)


def test_a_tls_connection_is_told_from_a_plain_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_reads, "_WAIT_SECONDS", 2.0)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with one_byte_left(b"z", 0.3, context) as raw:
        assert not raw_reads.more_follows(raw)


def test_a_body_longer_than_announced_is_refused(make_settings: MakeSettings, origin: Origin) -> None:
    url = origin.serve("/x.mp3", Answer(bytes(5000), announced=4000))
    settings = make_settings(**LOCAL)
    buffer = memoryview(bytearray(65536))
    with (
        pytest.raises(TransientError) as raised,
        open_source(open_session(settings), url, settings, clock=time.monotonic) as source,
    ):
        all(iter(lambda: source.read_into(buffer), 0))
    assert raised.value.reason == "overlong"
