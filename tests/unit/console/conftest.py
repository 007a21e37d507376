"""The console by Flask's test client, with fakeredis, and a real HTTP server as the provider."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis.exceptions import ConnectionError as RedisConnectionError

from app.console import create_app
from app.console.application import Clients
from app.console.keeping import Keeping
from app.ingress.keeping.batching import PublishError
from tests.conftest import MakeSettings
from tests.unit.conftest import Clock
from workers.context import open_provider
from workers.errors import TransientError
from workers.ledger.ledger import Ledger
from workers.watching.watches import Watches, open_watches

TOKEN = "a-token-of-the-console"
KEY = "the-key-of-the-provider"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@dataclass
class Provider:
    """Gives one answer to all requests, and records them."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b'{"code": 200, "msg": "success", "data": {"taskId": "new"}}'
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None

    def answers(self, payload: object, status: int = 200) -> None:
        self.body, self.status = json.dumps(payload).encode(), status


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            provider.requests.append((self.path, headers, json.loads(body)))
            provider.before_answer()
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Inbox:
    """Takes notes, or fails like a dead bucket."""

    notes: list[str] = field(default_factory=list)
    dead: bool = False
    tried: int = 0

    def publish(self, body: str, _received_at: float) -> None:
        if self.dead:
            raise PublishError("neither broker nor bucket answered")
        self.notes.append(body)

    def try_bucket(self) -> None:
        self.tried += 1
        if self.dead:
            raise TransientError("store_unavailable")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@dataclass
class Console:
    """The console, and the parts that a test looks at or breaks."""

    client: FlaskClient
    watches: Watches
    redis: Any
    slept: list[float]
    monkeypatch: pytest.MonkeyPatch

    def post(self, path: str, payload: object, **headers: str) -> Any:
        return self.client.post(path, data=json.dumps(payload), headers={**AUTHORIZED, **headers})

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=AUTHORIZED)

    def send(self, path: str, *, method: str = "POST", body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
        """Send a request as it is, without the token."""
        return self.client.open(path, method=method, data=body, headers=headers)

    def kill_redis(self) -> None:
        """From now on Redis refuses every connection."""

        def refuse(*_: object, **__: object) -> None:
            raise RedisConnectionError

        self.monkeypatch.setattr(self.redis.connection_pool, "get_connection", refuse)


MakeConsole = Callable[..., Console]


@pytest.fixture
def make_console(
    make_settings: MakeSettings,
    ledger: Ledger,
    inbox: Inbox,
    provider: Provider,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeConsole:
    """Make a console whose settings have changes to those that it needs; an empty text removes one."""

    def make(**variables: str) -> Console:
        complete = {
            "ADMIN_TOKEN": TOKEN,
            "PROVIDER_BASE_URL": provider.url,
            "PROVIDER_API_KEY": KEY,
            "PUBLIC_URL": "https://vault.example/",
        }
        settings = make_settings(**complete | variables)
        watches = open_watches(ledger.redis, settings)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.advance(seconds)

        keeping = Keeping(watches, inbox.publish, inbox.try_bucket, sleep=sleep, now=clock)
        clients = Clients(ledger, watches, keeping, open_provider(settings))
        return Console(create_app(settings, clients=clients).test_client(), watches, ledger.redis, slept, monkeypatch)

    return make


@pytest.fixture
def console(make_console: MakeConsole) -> Console:
    return make_console()
