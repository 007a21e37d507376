"""Parts without processes: fakeredis with Lua, moto's S3 server in this process, a clock that the test sets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import fakeredis
import pytest
import requests
from fakeredis.commands_mixins import server_mixin
from moto.server import ThreadedMotoServer

from tests.conftest import MakeSettings, Payload
from tests.origin import Origin
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

BUCKET = "vault"
START = 1_800_000_000.0
LEASE = 60.0
URGENT = 86400.0


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
    """The tickets that lie in Redis."""

    redis: fakeredis.FakeRedis

    def take(self) -> list[str]:
        """Take all away, and tell their queues."""
        return [queue for queue in QUEUES for _ in self.redis.lpop(queue, 1000) or ()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent(redis: fakeredis.FakeRedis) -> Sent:
    return Sent(redis)


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


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    requests.post(f"{s3_url}/moto-api/reset", timeout=5)
    client = open_client(attempts=1)
    client.create_bucket(Bucket=BUCKET)
    return Store(client, BUCKET)


@pytest.fixture
def context(make_settings: MakeSettings, ledger: Ledger, store: Store, clock: Clock) -> WorkerContext:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", PART_BYTES="5MiB")
    return WorkerContext(
        settings=settings,
        ledger=ledger,
        store=store,
        session=open_session(settings),
        wake_ups=WakeUps(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        memory=TransferMemory(settings.transfer_memory, settings.part_bytes),
        heartbeats=Heartbeats(ledger, longest=3600, every=0.02),
        now=clock,
        monotonic=clock,
        random=lambda: 0.0,
    )


@pytest.fixture
def body(payload: Payload, origin: Origin) -> str:
    """Give the callback of `tests.unit.story`'s video."""
    return json.dumps(payload("video", origin.url))
