"""The client against real HTTP servers: where the key goes, and what ends every question."""

import gzip
import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.never_ending import NEVER_ENDING, Serve, serving
from tests.silent import resolving, silent_addresses
from tests.unit.provider.documented import record, task_of
from workers.provider.client import ProviderClient
from workers.provider.errors import ProviderError, ProviderFaultError, RefusedError, WrongKeyError
from workers.provider.families import FAMILIES, State

KEY = "sk-0123456789abcdef"
MUSIC = FAMILIES["music"]
LIMIT, GRACE = 0.7, 1.0  # seconds
HTML = b"<html>Bad gateway</html>"


@dataclass
class Provider:
    """A server with one answer for all requests."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answers(self, body: Any, status: int = 200, **headers: str) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            provider.requests.append((self.command, self.path, dict(self.headers), body))
            self.send_response(provider.status)
            for name, value in ({"Content-Length": str(len(provider.body))} | provider.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(provider.body)
            self.close_connection = "Content-Length" in provider.headers

        def do_POST(self) -> None:
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        provider.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def client(provider: Provider) -> Iterator[ProviderClient]:
    with ProviderClient(provider.url, KEY, timeout=5) as client:
        yield client


@pytest.mark.parametrize("suffix", ["", "/", "/api/v1", "/api/v1/"])
def test_a_task_is_asked_about_at_its_familys_path_with_the_key(provider: Provider, suffix: str) -> None:
    payload = record("music_success")
    provider.answers(payload)
    with ProviderClient(provider.url + suffix, KEY) as client:
        answer = client.ask(MUSIC, task_of(payload))
    assert (answer.state, answer.body and answer.body["polled"]) == (State.DONE, "generate/record-info")
    [(method, path, headers, _)] = provider.requests
    assert (method, path) == ("GET", f"/api/v1/generate/record-info?taskId={task_of(payload)}")
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_recovered_audio_has_another_name_for_the_id(provider: Provider, client: ProviderClient) -> None:
    provider.answers(record("recovery_201_running"))
    task_id = task_of(record("recovery_201_running"))
    assert client.ask(FAMILIES["recovery"], task_id).state is State.PENDING
    assert provider.requests[0][1] == f"/api/v1/suno/recovery/record-info?task_id={task_id}"


def test_the_environment_and_cookies_change_nothing(
    provider: Provider, client: ProviderClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password other")
    for name, value in {
        "NETRC": str(netrc),
        "http_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    provider.answers(record("unknown_task"), Set_Cookie="a=b; Path=/")
    assert [client.ask(MUSIC, "one").state for _ in range(2)] == [State.UNKNOWN] * 2
    for _, _, headers, _ in provider.requests:
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert "Cookie" not in headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_fault_and_the_key_goes_nowhere_else(
    provider: Provider, client: ProviderClient, status: int
) -> None:
    with running() as other:
        provider.answers(b"", status, Location=f"{other.url}/api/v1/generate/record-info")
        for call in (lambda: client.ask(MUSIC, "one"), lambda: client.submit("generate", b"{}")):
            with pytest.raises(ProviderFaultError, match="redirect") as raised:
                call()
            assert raised.value.for_all
    assert other.requests == []


def test_the_key_is_in_no_log_no_error_and_no_repr(
    provider: Provider, client: ProviderClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.answers({"code": 401, "msg": f"Invalid API key: {KEY}"})
    with pytest.raises(WrongKeyError) as refused:
        client.ask(MUSIC, "one")
    provider.answers(record("unknown_task"), Content_Length="1000")
    with pytest.raises(ProviderFaultError) as broken:
        client.ask(MUSIC, "one")
    assert KEY not in repr(client) + caplog.text + repr(refused.value) + repr(broken.value)


@pytest.mark.parametrize(
    ("answer", "status", "reason", "for_all"),
    [
        (HTML, 200, "provider_fault", False),
        (HTML, 404, "provider_fault", True),
        (HTML, 401, "wrong_key", True),
        (HTML, 429, "rate_limited", True),
        (HTML, 500, "provider_fault", False),
        (HTML, 503, "provider_fault", True),
        ({"status": 404, "error": "Not Found"}, 404, "not_offered", False),
        ({"code": 455, "msg": "x"}, 500, "maintenance", True),
        ({"code": 200, "data": "x" * 2000}, 200, "provider_fault", False),
        (b"", 200, "provider_fault", False),
        (b"\xff\xfe", 200, "provider_fault", False),
        (b"[" * 900, 200, "provider_fault", False),
        (b'{"code":200,"data":{"taskId":NaN}}', 200, "provider_fault", False),
        (b'{"code":200,"data":' + b"9" * 900 + b"}", 200, "provider_fault", False),
    ],
)
def test_an_unusable_answer_raises_the_error_of_its_kind(
    provider: Provider, answer: object, status: int, reason: str, for_all: bool
) -> None:
    provider.answers(answer, status)
    with ProviderClient(provider.url, KEY, max_bytes=1000) as client, pytest.raises(ProviderError) as raised:
        client.ask(MUSIC, "one")
    assert (raised.value.reason, raised.value.for_all) == (reason, for_all)


@pytest.mark.slow
def test_an_answer_is_bounded_as_it_is_decoded(provider: Provider, client: ProviderClient) -> None:
    provider.answers(gzip.compress(bytes(64 * 1024**2)), Content_Encoding="gzip")
    with pytest.raises(ProviderFaultError, match="more than 1048576 bytes"):
        client.ask(MUSIC, "one")
    provider.answers(gzip.compress(json.dumps(record("unknown_task")).encode()), Content_Encoding="gzip")
    assert client.ask(MUSIC, "one").state is State.UNKNOWN


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.05, 0.0])
@pytest.mark.parametrize("pieces", NEVER_ENDING[:-1])
def test_a_question_ends_when_its_time_is_over(pieces: Serve, pause: float) -> None:
    with serving(pieces, pause) as url, ProviderClient(url.rpartition("/")[0], KEY, timeout=LIMIT) as client:
        began = time.monotonic()
        with pytest.raises(ProviderFaultError) as raised:
            client.ask(MUSIC, "one")
        assert time.monotonic() - began < LIMIT + GRACE
    if pause:
        assert raised.value.for_all


@pytest.mark.slow
def test_a_silent_provider_and_an_unresolved_name_end_at_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with ProviderClient(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY, timeout=LIMIT) as client:
            assert seconds_of_a_fault(client) < LIMIT + GRACE
        over = Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(20))
        with ProviderClient("http://provider.test", KEY, timeout=LIMIT) as client:
            assert seconds_of_a_fault(client) < LIMIT + GRACE
        over.set()


@pytest.mark.slow
def test_silent_addresses_of_the_provider_have_one_limit_together() -> None:
    with silent_addresses(4) as (addresses, port), resolving(addresses) as name:
        assert seconds_of_a_fault(ProviderClient(f"http://{name}:{port}", KEY, timeout=LIMIT)) < LIMIT + GRACE


def seconds_of_a_fault(client: ProviderClient) -> float:
    began = time.monotonic()
    with pytest.raises(ProviderFaultError) as raised:
        client.ask(MUSIC, "one")
    assert raised.value.for_all
    return time.monotonic() - began


def test_a_provider_that_is_down_is_a_fault_for_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with ProviderClient(f"http://127.0.0.1:{port}", KEY) as client, pytest.raises(ProviderFaultError) as raised:
        client.ask(MUSIC, "one")
    assert raised.value.for_all
    assert "one" not in str(raised.value)


def test_a_fresh_url_is_asked_for_by_the_old_one(provider: Provider, client: ProviderClient) -> None:
    provider.answers(record("common_download_url_success"))
    assert client.fresh_url("http://origin.test/old.mp3?a=b") == "http://origin.test/fresh/one.mp3?token=abc"
    method, path, headers, body = provider.requests[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/api/v1/common/download-url", "application/json")
    assert json.loads(body) == {"url": "http://origin.test/old.mp3?a=b"}


@pytest.mark.slow
def test_a_url_that_is_not_the_providers_own_has_no_fresh_one(provider: Provider, client: ProviderClient) -> None:
    provider.answers(record("common_download_url_422"))
    assert client.fresh_url("http://elsewhere.test/x") is None
    for answer in (record("bad_key_401"), {"code": 200, "data": None}, {"code": 200, "data": "file:///etc/passwd"}):
        provider.answers(answer)
        with pytest.raises(ProviderError):
            client.fresh_url("http://origin.test/x")


def test_a_submission_is_sent_as_it_is_and_its_answer_given_as_it_is(
    provider: Provider, client: ProviderClient
) -> None:
    provider.answers(b'{"code":429}', 418, X_Request="7")
    status, headers, body = client.submit("/suno/cover/generate", b'{"prompt": "a quay"}')
    assert (status, headers["x-request"], body) == (418, "7", b'{"code":429}')
    assert provider.requests[0][:2] == ("POST", "/api/v1/suno/cover/generate")
    assert provider.requests[0][3] == b'{"prompt": "a quay"}'


@pytest.mark.parametrize(
    "path", ["", "../secret", "a/../b", "a//b", "a?b=c", "a#b", "@other.test/x", "a%2fb", "a\r\nb"]
)
def test_a_path_that_could_lead_elsewhere_is_refused_and_not_sent(
    provider: Provider, client: ProviderClient, path: str
) -> None:
    with pytest.raises(RefusedError):
        client.submit(path, b"{}")
    assert provider.requests == []


def test_a_task_id_that_could_not_be_a_key_is_refused_and_not_sent(provider: Provider, client: ProviderClient) -> None:
    with pytest.raises(RefusedError):
        client.ask(MUSIC, "a/../b")
    assert provider.requests == []


@pytest.mark.parametrize(
    "url", ["", "provider.test", "ftp://x", "http://", "http://a:b@c", "http://a?key=b", "http://[x"]
)
def test_an_invalid_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        ProviderClient(url, KEY)


@pytest.mark.parametrize("key", ["", "sk-1\r\nX: y", "sk 1", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as raised:
        ProviderClient("http://provider.test", key)
    assert not key or key not in str(raised.value)
