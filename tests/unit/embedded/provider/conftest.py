"""A client of the fake provider, and a receiver of its callbacks."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import requests

from app.embedded.loopback import serving
from app.embedded.provider import Options, Provider, fake_provider
from tests.unit.conftest import Clock


@dataclass
class Receiver:
    """Keeps callbacks. Answers the statuses in turn; the last one is repeated."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    waits: float = 0.0

    @property
    def types(self) -> list[str]:
        return [body["data"]["callbackType"] for body in self.bodies]

    def types_of(self, task_id: str) -> list[str]:
        return [body["data"]["callbackType"] for body in self.bodies if body["data"]["task_id"] == task_id]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.headers.append(dict(self.headers))
            receiver.bodies.append(json.loads(body))
            status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
            receiver.over.wait(receiver.waits)
            self.send_response(status)
            self.send_header("Location", receiver.url)  # counts for redirects
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as port:
        receiver.url = f"http://127.0.0.1:{port}/callbacks"
        yield receiver
        receiver.over.set()


@dataclass
class Client:
    """Asks a provider with its key, as plain HTTP."""

    session: requests.Session
    provider: Provider

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(self._url(path), params=query, headers=self._key, timeout=10)

    def poll(self, path: str, task_id: str, name: str = "taskId") -> Any:
        answer = self.get(path, **{name: task_id})
        assert answer.status_code == 200
        return answer.json()

    def post(self, path: str, body: object) -> Any:
        answer = self.session.post(self._url(path), json=body, headers=self._key, timeout=10)
        assert answer.status_code == 200
        return answer.json()

    def _url(self, path: str) -> str:
        return f"{self.provider.url}/api/v1/{path}"

    @property
    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.provider.key}"}


ClientOf = Callable[[Provider], Client]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    with requests.Session() as session:
        yield lambda provider: Client(session, provider)


@pytest.fixture
def options(clock: Clock) -> Options:
    """Give the provider's options; a test file has options of its own where it needs others."""
    return Options(clock=clock)


@pytest.fixture
def provider(options: Options) -> Iterator[Provider]:
    with fake_provider(options) as running:
        yield running


@pytest.fixture
def client(provider: Provider, client_of: ClientOf) -> Client:
    return client_of(provider)


def state_in(envelope: dict[str, Any]) -> object:
    """Give the state that an answer to a poll tells, in the words of its family."""
    if "task_id" in envelope:
        return envelope["code"]
    data = envelope["data"]
    return data.get("state") or data.get("status") or data["successFlag"]
