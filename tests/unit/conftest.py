"""Parts without processes: fakeredis with Lua, moto's S3 server in this process, a clock that the test sets."""

import gc
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import fakeredis
import pytest
from fakeredis.commands_mixins import server_mixin
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.conftest import MakeSettings, Payload
from tests.origin import Origin
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

#: Tests that need seconds by nature, as time limits on real sockets and many large bodies do: `make test-unit` leaves
#: them out. By name, so that a test may move; a name that no test has any more ends the run.
SLOW = {
    "test_a_connection_that_is_kept_belongs_to_the_attempt_that_uses_it",
    "test_a_slow_upload_over_plain_http_may_take_longer_than_connecting_and_than_an_answer",
    "test_a_source_below_the_least_speed_is_let_go",
    "test_a_source_that_drips_is_cut_off_by_the_time_for_one_transfer",
    "test_a_source_that_gives_nothing_useful_is_let_go_long_before_the_attempts_time_is_over",
    "test_a_store_that_never_answers_is_cut_off_with_the_attempt",
    "test_a_store_without_conditions_keeps_what_stands_there",
    "test_an_attempt_ends_also_after_a_thread_could_not_be_started_and_in_a_forked_process",
    "test_an_attempt_ends_when_its_time_is_over",
    "test_an_attempt_that_ends_does_not_take_the_connection_of_the_next_one_with_it",
    "test_calls_that_never_end_cost_their_time_each_and_do_not_pile_up",
    "test_the_queue_behaves_the_same_with_greenlets",
    "test_what_is_asked_outside_an_attempt_ends_as_well",
    "test_what_waits_for_a_source_is_handed_back_at_once_when_the_worker_must_end",
}
#: Moto's, as an examination finds it (`test_fixtures`); an examination of 10 MiB before each test takes a third of it.
OF_MOTO = Guarantees(Checksum.NONE, Condition.HONOURED)
BUCKET = "vault"
START = 1_800_000_000.0
LEASE = 60.0
URGENT = 86400.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the slow tests."""
    missing = set(SLOW)
    for item in items:
        name = getattr(item, "originalname", item.name)
        missing.discard(name)
        if name in SLOW:
            item.add_marker("slow")
    if missing and config.args in (["tests"], ["tests/unit"]):
        raise pytest.UsageError(f"SLOW in tests/unit/conftest.py names tests that are not there: {missing}")


def pytest_collection_finish() -> None:
    """Keep all that was imported out of the garbage collector's sight: it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


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


class _Quiet(MotoRequestHandler):
    """Does not log requests: pytest keeps every log line, which takes a tenth of a request's time."""

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Serve moto's S3 alone. `ThreadedMotoServer` lists moto's folders at each request to find the service."""
    server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def store(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    get_backend("s3").reset()
    client = open_client(attempts=1)
    client.create_bucket(Bucket=BUCKET)
    return Store(client, BUCKET)


@pytest.fixture
def context(make_settings: MakeSettings, ledger: Ledger, store: Store, clock: Clock) -> WorkerContext:
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*", PART_BYTES="5MiB")
    return WorkerContext(
        settings=settings,
        ledger=ledger,
        store=Store(store.client, BUCKET, known=OF_MOTO),
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
