"""The ingress while Redis or S3 is away from the start, or while their names cannot be resolved."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from app.embedded.processes import wait_until
from app.embedded.stack import Stack, embedded_stack
from tests.conftest import Payload, eventually, preloaded
from tests.integration.conftest import LOCAL, Service, children_of, running_ingress
from tests.origin import Answer, Origin, film
from workers.callbacks import task_id_of
from workers.intake.received import ReceivedCallbacks
from workers.ledger.storage.keys import TAKEN

_SLOW_NAMES = Path(__file__).with_name("slow_names.c")


def start_ingress(stack: Stack, **environment: str) -> int:
    """Start gunicorn without waiting for Redis, and give its process id."""
    bind = {"STEMVAULT_BIND": f"127.0.0.1:{stack.ingress_port}"}
    ingress = stack.group.start("ingress", stack.gunicorn(), environment={**bind, **environment})
    wait_until(lambda: requests.get(f"{stack.url}/healthz", timeout=3).ok, "answer", ingress)
    return ingress.pid


def both_workers_of(pid: int, *, but: frozenset[int] = frozenset()) -> frozenset[int] | None:
    """Give gunicorn's two worker processes; None while there are fewer, or while one is in ``but``."""
    found = children_of(pid)
    return found if len(found) == 2 and not found & but else None


def test_gunicorn_starts_and_respawns_while_redis_is_away_and_callbacks_are_kept(payload: Payload) -> None:
    with embedded_stack(LOCAL) as stack:
        stack.start_s3()
        pid = start_ingress(stack)
        service = Service(stack)
        assert service.post(payload("video")).status_code == 200
        workers = eventually(lambda: both_workers_of(pid))
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        respawned = eventually(lambda: both_workers_of(pid, but=workers))
        for _ in range(4):
            assert service.post(payload("video")).status_code == 200
        assert both_workers_of(pid) == respawned
        assert len(service.objects("_inbox/")) >= 5
        degraded = requests.get(f"{stack.url}/readyz", timeout=5)
        assert (degraded.status_code, list(degraded.json()["reasons"])) == (200, ["broker"])
        stack.start_redis()
        eventually(lambda: service.post(payload("video")).ok and ReceivedCallbacks(stack.redis()).waiting())


@pytest.fixture(scope="module")
def slow_names(tmp_path_factory: pytest.TempPathFactory) -> str:
    return preloaded(_SLOW_NAMES, tmp_path_factory.mktemp("names"))


@pytest.fixture
def named(slow_names: str, tmp_path: Path) -> Iterator[tuple[Stack, Path]]:
    """Run an ingress that resolves Redis and S3 by name; give the file that makes these names fail."""
    gone = tmp_path / "gone"
    # Otherwise boto3 would put the bucket into the host name, which moto does not resolve.
    aws = tmp_path / "aws"
    aws.write_text("[default]\ns3 =\n    addressing_style = path\n")
    with embedded_stack(LOCAL) as stack:
        stack.start_redis()
        stack.start_s3()
        start_ingress(
            stack,
            LD_PRELOAD=slow_names,
            NAMES_GONE=str(gone),
            AWS_CONFIG_FILE=str(aws),
            STEMVAULT_REDIS_URL=f"redis://broker-test:{stack.redis_port}/0",
            AWS_ENDPOINT_URL_S3=f"http://bucket-test:{stack.s3_port}",
        )
        yield stack, gone


def timed(service: Service, payload: Payload) -> tuple[int, float]:
    started = time.monotonic()
    status = service.post(payload("video")).status_code
    return status, time.monotonic() - started


def test_an_unresolvable_host_name_delays_a_callback_by_less_than_two_seconds(
    named: tuple[Stack, Path], payload: Payload
) -> None:
    stack, gone = named
    service = Service(stack)
    assert timed(service, payload)[0] == 200
    # Open connections stay open. Those to the bucket are opened here, while its name still resolves.
    stack.process("redis").kill()
    assert timed(service, payload)[0] == 200
    gone.touch()
    for _ in range(6):
        status, seconds = timed(service, payload)
        assert status in {200, 503}
        assert seconds < 2, seconds
    gone.unlink()
    stack.restart("redis")
    eventually(lambda: timed(service, payload)[0] == 200 and ReceivedCallbacks(stack.redis()).waiting())


def test_without_name_resolution_a_callback_gets_503_in_time_and_readyz_names_broker_and_bucket(
    named: tuple[Stack, Path], payload: Payload
) -> None:
    stack, gone = named
    gone.touch()
    for _ in range(3):
        status, seconds = timed(Service(stack), payload)
        assert (status, seconds < 2) == (503, True), seconds
    started = time.monotonic()
    unready = requests.get(f"{stack.url}/readyz", timeout=20)
    assert (unready.status_code, sorted(unready.json()["reasons"])) == (503, ["broker", "bucket"])
    assert time.monotonic() - started < 5
    gone.unlink()
    eventually(lambda: timed(Service(stack), payload)[0] == 200)


def test_a_broker_that_hangs_does_not_hide_that_the_bucket_answers() -> None:
    with running_ingress() as stack:
        redis = stack.process("redis")
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            for _ in range(6):
                degraded = requests.get(f"{stack.url}/readyz", timeout=10)
                assert (degraded.status_code, list(degraded.json()["reasons"])) == (200, ["broker"])
        finally:
            os.kill(redis.pid, signal.SIGCONT)


def replaced(pid: int, processes: frozenset[int]) -> bool:
    """Tell whether other processes have replaced all these. There is one more if a task had to wait meanwhile."""
    now = children_of(pid)
    return len(now) >= len(processes) and not now & processes


def test_a_worker_that_lost_all_pool_processes_at_once_survives_a_broker_outage(payload: Payload) -> None:
    # They die while the main process is stopped, so that it sees all deaths in one turn of its loop.
    with running_ingress() as stack:
        worker = stack.start_worker()
        beat = stack.start_beat()
        for _ in range(5):
            processes = children_of(worker.pid)
            os.kill(worker.pid, signal.SIGSTOP)
            for pid in processes:
                os.kill(pid, signal.SIGKILL)
            os.kill(worker.pid, signal.SIGCONT)
            eventually(partial(replaced, worker.pid, processes))
        stack.process("redis").kill()
        eventually(lambda: "Cannot connect" in worker.log.read_text())
        stack.restart("redis")
        service = Service(stack)
        lyrics = payload("lyrics")
        assert service.post(lyrics).ok
        service.settled(task_id_of(lyrics), patience=60)
        # A later death is noticed too.
        gone = min(children_of(worker.pid))
        os.kill(gone, signal.SIGKILL)
        eventually(lambda: len(children_of(worker.pid) - {gone}) >= len(processes))
        assert (worker.popen.poll(), beat.popen.poll()) == (None, None)
        assert '"critical"' not in worker.log.read_text()


_FAILING_CELERY = """
from pathlib import Path
from celery.bootsteps import StartStopStep
from workers.celery import app

class Fault(StartStopStep):
    def start(self, consumer):
        consumer.hub.on_tick.add(self.look)
    def look(self):
        if Path("fault").exists():
            raise ValueError("a fault of Celery's own")

app.steps["consumer"].add(Fault)
"""


def test_a_worker_that_celery_stops_after_an_error_hands_its_assets_back_and_exits(
    origin: Origin, payload: Payload
) -> None:
    with running_ingress(STEMVAULT_SHUTDOWN_GRACE="1") as stack:
        stack.group.directory.joinpath("failing.py").write_text(_FAILING_CELERY)
        worker = stack.group.start("worker", [*stack.celery()[:-1], "failing", "worker"])
        stack.wait_for_worker(worker)
        video = payload("video", origin.url)
        # This transfer takes two minutes.
        origin.serve(
            video["data"]["video_url"].removeprefix(origin.url), Answer(film(4 * 1024**2), pause=0.5, piece=16 * 1024)
        )
        assert Service(stack).post(video).ok
        eventually(lambda: stack.redis().hlen(TAKEN))
        stack.group.directory.joinpath("fault").touch()
        assert worker.popen.wait(30) == 1
        assert "asset_handed_back" in worker.log.read_text()
        assert not stack.redis().hlen(TAKEN)
