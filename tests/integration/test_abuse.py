"""Hostile clients of the real server: it keeps serving the others, and no process dies."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests

from app.embedded.processes import free_port, wait_until
from app.embedded.stack import Stack
from tests.conftest import Payload
from tests.integration.conftest import Service
from workers.liveness.repeating import repeating

SLOW_CLIENTS = 1000


@contextmanager
def slow_clients(port: int, head: bytes) -> Iterator[None]:
    """Keep connections that send ``head`` and then a byte a second each, and reconnect when they are closed."""

    def connect() -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        client.sendall(head)
        return client

    clients = [connect() for _ in range(SLOW_CLIENTS)]

    def drip() -> None:
        for number, client in enumerate(clients):
            try:
                client.sendall(b"x")
            except OSError:
                client.close()
                with suppress(OSError):
                    clients[number] = connect()

    try:
        with repeating(drip, every=1):
            yield
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"POST /callbacks HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /callbacks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
    ],
    ids=["in their headers", "in their bodies"],
)
def test_a_thousand_clients_that_send_a_byte_a_second_delay_no_honest_callback(
    ingress: Stack, payload: Payload, head: bytes
) -> None:
    with slow_clients(ingress.ingress_port, head):
        for _ in range(20):
            started = time.monotonic()
            assert Service(ingress).post(payload("video")).status_code == 200
            assert time.monotonic() - started < 1
            time.sleep(0.2)  # spread over several reconnects of the slow clients


def raw(port: int, *pieces: bytes) -> bytes:
    """Send bytes as they are; give the answer until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        with suppress(OSError):  # the server may close the connection before it has read everything
            for piece in pieces:
                client.sendall(piece)
        answer = b""
        with suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


POST = b"POST /callbacks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "statuses"),
    [
        (POST + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n", {400, 431}),
        (POST + b"".join(b"X-%d: x\r\n" % n for n in range(5000)) + b"\r\n", {400, 431}),
        (b"POST /" + b"c" * 100_000 + b" HTTP/1.1\r\n\r\n", {400, 414}),
        (POST + b"Content-Length: -1\r\n\r\n", {400}),
        (POST + b"Content-Length: 1e3\r\n\r\n", {400}),
        (POST + b"Content-Length: 99999999999\r\n\r\n{}", {413}),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 415, 501}),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", {400}),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 40, {413}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
        (b"GET / HTTP/9.9\r\n\r\n", {400, 505}),
    ],
)
def test_a_malformed_http_request_gets_a_4xx_status_and_the_ingress_keeps_serving(
    ingress: Stack, request_bytes: bytes, statuses: set[int]
) -> None:
    answer = raw(ingress.ingress_port, request_bytes)
    status = int(answer.split(b" ", 2)[1])
    assert status in statuses, answer[:300]
    assert requests.get(f"{ingress.url}/healthz", timeout=5).ok


def test_a_connection_whose_headers_do_not_come_within_five_seconds_is_closed(ingress: Stack) -> None:
    started = time.monotonic()
    assert b" 200 " not in raw(ingress.ingress_port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
    assert 4 < time.monotonic() - started < 10


def test_a_request_whose_body_comes_too_slowly_gets_408(ingress: Stack) -> None:
    """The limit is 30 s in production; a configuration that imports it sets 1 s."""
    hasty = ingress.group.directory / "hasty.py"
    hasty.write_text("import config.gunicorn as ours\nours.REQUEST_SECONDS = 1\nfrom config.gunicorn import *\n")
    port = free_port()
    command = [*ingress.gunicorn()[:3], "-c", str(hasty), "-b", f"127.0.0.1:{port}", "app:create_app()"]
    process = ingress.group.start("hasty", command)
    wait_until(lambda: requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok, "answer", process)
    started = time.monotonic()
    assert raw(port, POST + b"Content-Length: 100\r\n\r\n", b"x").startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started < 5
    process.stop()
