"""Time limits of requests to the store: for connecting, for an answer, and for an attempt as a whole."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import urllib3

from tests.never_ending import endless_continue, serving
from tests.unit.bucket.test_store import write
from tests.unit.conftest import BUCKET
from workers.bucket.guarantees import OF_AWS
from workers.bucket.store import Store
from workers.connections.attempt import cut_off_after, never
from workers.connections.pools import STORE_POOLS
from workers.errors import TransientError
from workers.s3.client import open_client, open_pool


@contextmanager
def slow_store(seconds: float) -> Iterator[str]:
    """Serve a store that takes ``seconds`` to read a body, a little at a time, and then answers 200."""

    def take(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            taken = b""
            while b"\r\n\r\n" not in taken:
                taken += connection.recv(4096)
            head, _, rest = taken.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]  # it is there
            left = length - len(rest)
            while left > 0 and (piece := connection.recv(65536)):
                left -= len(piece)
                time.sleep(seconds * len(piece) / length)
            connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n')

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=take, args=(listener.accept()[0],), daemon=True).start()

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["direct", "boto3"])
def test_a_slow_upload_over_plain_http_may_take_longer_than_connecting_and_than_an_answer(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, read = 0.4, 2.5
    with slow_store(seconds=5.0) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=connect, read=read)) if way == "direct" else None
        if pool:
            pool.pool_classes_by_scheme = STORE_POOLS
        store = Store(open_client(connect_timeout=connect, read_timeout=read, attempts=1), BUCKET, pool)
        asked: list[str] = []
        store.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
        began = time.monotonic()
        # The operating system buffers up to 4 MiB. The time limit for the answer starts when it has taken the rest.
        store.write_text("k", bytes(16 * 1024**2), "text/plain")
        assert time.monotonic() - began > read
        assert len(asked) == (way == "boto3")
        if pool:
            pool.clear()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_clients_short_timeouts_hold_with_and_without_tls(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
        store = Store(open_client(connect_timeout=0.3, read_timeout=0.3, attempts=1), BUCKET)
        began = time.monotonic()
        with pytest.raises(TransientError):
            store.write_json("k", {})
        assert time.monotonic() - began < 4


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["its time", "the worker"])
def test_store_requests_outside_an_attempt_end_at_their_limit(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr("workers.connections.attempt.ASK_SECONDS", 0.7 if ending == "its time" else 60.0)
    with serving(endless_continue, 0.05) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url.removesuffix("/song.mp3"))
        ends_at = time.monotonic() + 0.7
        must_stop = (lambda: time.monotonic() > ends_at) if ending == "the worker" else never
        pool = open_pool()
        store = Store(open_client(attempts=1), BUCKET, pool, known=OF_AWS, must_stop=must_stop)
        for ask in (lambda: store.write_json("k", {}), lambda: store.read_text("k"), lambda: store.list("", limit=1)):
            began = time.monotonic()
            with pytest.raises(TransientError):
                ask()
            assert time.monotonic() - began < 6
        if pool:
            pool.clear()


@pytest.mark.slow
@pytest.mark.parametrize("way", ["direct", "boto3"])
def test_a_store_that_never_answers_is_cut_off_with_the_attempt(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with serving(endless_continue, 0.05) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url.removesuffix("/song.mp3"))
        pool = open_pool() if way == "direct" else None
        store = Store(open_client(attempts=1), BUCKET, pool, known=OF_AWS)
        began = time.monotonic()
        with pytest.raises(TransientError), cut_off_after(0.7):
            write(store, b"ID3" + bytes(1000))
        assert time.monotonic() - began < 4
        if pool:
            pool.clear()
