"""Parts without processes: fakeredis with Lua, moto's S3 server in this process, a clock that the test sets."""

import gc
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import fakeredis
import moto.s3.models
import pytest
from fakeredis.commands_mixins import server_mixin
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from tests.conftest import MakeSettings, Payload
from tests.origin import Origin
from tests.unit.compiled_scripts import compile_scripts_once
from tests.unit.reading import PART
from workers.bucket.guarantees import Checksum, Condition, Guarantees
from workers.bucket.store import Store
from workers.context import WorkerContext
from workers.dispatch.queues import QUEUES
from workers.dispatch.wake_ups import WakeUps
from workers.intake.received import ReceivedCallbacks
from workers.ledger.ledger import Ledger
from workers.liveness.heartbeats import Heartbeats
from workers.s3.client import open_client
from workers.source.egress import open_session
from workers.transfer.memory import TransferMemory
from workers.watching.watches import open_watches

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Moto's, as an examination finds it (`test_fixtures`); an examination of 10 MiB before each test takes a third of it.
OF_MOTO = Guarantees(Checksum.NONE, Condition.HONOURED)
BUCKET = "vault"
_FOLDER = Path(__file__).parent
START = 1_800_000_000.0
LEASE = 60.0
URGENT = 86400.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, which ``make test`` runs before the others."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.unit)


def pytest_collection_finish() -> None:
    """Keep all that was imported out of the garbage collector's sight: it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def pytest_sessionfinish() -> None:
    """Have what no test closed told of now, and keep what is left from the ten collections that pytest ends with."""
    gc.collect()
    gc.collect()
    gc.freeze()


@dataclass
class Clock:
    """Unix seconds, moved by hand."""

    time: float = START

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Sent:
    """The wake-up messages in Redis."""

    redis: fakeredis.FakeRedis

    def take(self) -> list[str]:
        """Remove all of them, and give their queues."""
        if not self.redis.exists(*QUEUES):
            return []
        return [queue for queue in QUEUES for _ in self.redis.lpop(queue, 1000) or ()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent(redis: fakeredis.FakeRedis) -> Sent:
    return Sent(redis)


compile_scripts_once()


class TimedRedis(fakeredis.FakeRedis):
    """A fakeredis whose ``TIME`` is a clock that the test sets."""

    clock: Clock


@pytest.fixture
def redis(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TimedRedis:
    monkeypatch.setattr(server_mixin, "time", SimpleNamespace(time=clock))
    redis = TimedRedis(decode_responses=True)
    redis.clock = clock
    return redis


def at(ledger: Ledger, moment: float) -> Ledger:
    """Set Redis's clock, and give the ledger."""
    assert isinstance(ledger.redis, TimedRedis)
    ledger.redis.clock.time = moment
    return ledger


@pytest.fixture
def ledger(redis: fakeredis.FakeRedis) -> Ledger:
    return Ledger(redis, lease_seconds=LEASE, urgent_window=URGENT)


class _KeepingConnections(MotoRequestHandler):
    """Keeps connections, which werkzeug closes after each request. Logs no requests: pytest keeps every log line."""

    wbufsize = 65536

    def run_wsgi(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        environ = self.make_environ() | {"wsgi.input": io.BytesIO(self.rfile.read(length))}
        answer, status, headers = run_wsgi_app(self.server.app, environ)
        content = b"".join(answer)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        if "Content-Length" not in headers:
            headers["Content-Length"] = str(len(content))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Serve moto's S3 alone, with smaller parts. `ThreadedMotoServer` lists moto's folders at each request."""
    patch = pytest.MonkeyPatch()
    patch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", PART)
    server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=_KeepingConnections)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    patch.undo()


@pytest.fixture(scope="session")
def s3_client(s3_url: str) -> "S3Client":
    """Open one client for all tests: to make a client takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
        return open_client(attempts=1)


@contextmanager
def without_new_handlers(client: "S3Client") -> Iterator[None]:
    """Remove the event handlers that the block adds to the client (`test_the_next_test_has_a_client_as_new`)."""
    events, added = client.meta.events, list[tuple[str, Any]]()
    register = events.register

    def note(event_name: str, handler: Any, **options: Any) -> None:
        added.append((event_name, handler))
        register(event_name, handler, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "register", note)
        yield
    for event_name, handler in added:
        events.unregister(event_name, handler)


@pytest.fixture
def store(s3_url: str, s3_client: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    get_backend("s3").reset()
    s3_client.create_bucket(Bucket=BUCKET)
    with without_new_handlers(s3_client):
        yield Store(s3_client, BUCKET)


@pytest.fixture
def context(make_settings: MakeSettings, ledger: Ledger, store: Store, clock: Clock) -> WorkerContext:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*")
    settings = settings.model_copy(update={"part_bytes": PART})
    return WorkerContext(
        settings=settings,
        ledger=ledger,
        store=Store(store.client, BUCKET, known=OF_MOTO),
        session=open_session(settings),
        wake_ups=WakeUps(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        watches=open_watches(ledger.redis, settings),
        memory=TransferMemory(settings.transfer_memory, PART, least=PART),
        heartbeats=Heartbeats(ledger, longest=3600, every=0.02),
        now=clock,
        monotonic=clock,
        random=lambda: 0.0,
    )


@pytest.fixture
def body(payload: Payload, origin: Origin) -> str:
    """Give the callback of `tests.unit.story`'s video."""
    return json.dumps(payload("video", origin.url))
