"""The ingress under gunicorn, with a real broker that is alive, dead, or frozen."""

import json
import os
import re
import signal
import socket
import time
from typing import NoReturn

import pytest
import requests

from app.embedded.processes import wait_until
from app.embedded.stack import Stack, embedded_stack
from app.ingress.keeping.batching import PublishError, open_queue
from tests.conftest import Payload, eventually
from tests.integration.conftest import Service
from workers.intake.received import ReceivedCallbacks


def waiting(ingress: Stack) -> int:
    return ReceivedCallbacks(ingress.redis()).waiting()


def test_a_callback_is_acknowledged_when_it_is_kept_and_a_worker_is_called(ingress: Stack, payload: Payload) -> None:
    kept, wake_ups = waiting(ingress), ingress.redis().llen("callbacks")
    assert Service(ingress).post(payload("music_complete")).status_code == 200
    assert waiting(ingress) == kept + 1
    assert ingress.redis().llen("callbacks") == wake_ups + 1


def test_a_frozen_broker_costs_a_request_less_than_two_seconds_and_loses_nothing(
    ingress: Stack, payload: Payload
) -> None:
    redis = ingress.process("redis")
    before = len(Service(ingress).objects("_inbox/"))
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            started = time.monotonic()
            assert Service(ingress).post(payload("video")).status_code == 200
            assert time.monotonic() - started < 2
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    kept = Service(ingress).objects("_inbox/")
    assert len(kept) == before + 5
    assert json.dumps(payload("video")).encode() in kept.values()


def test_callbacks_go_to_the_inbox_without_redis_and_to_redis_after_its_restart(
    ingress: Stack, payload: Payload
) -> None:
    service = Service(ingress)
    before = len(service.objects("_inbox/"))
    ingress.process("redis").kill()
    started = time.monotonic()
    assert service.post(payload("video")).status_code == 200
    assert time.monotonic() - started < 2
    assert len(service.objects("_inbox/")) == before + 1
    assert requests.get(f"{ingress.url}/healthz", timeout=5).status_code == 200
    degraded = requests.get(f"{ingress.url}/readyz", timeout=5)
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    assert list(degraded.json()["reasons"]) == ["broker"]
    ingress.restart("redis")
    kept = waiting(ingress)
    eventually(lambda: service.post(payload("video")).ok and waiting(ingress) > kept)
    assert requests.get(f"{ingress.url}/readyz", timeout=5).json() == {"status": "ready"}


def test_with_broker_and_bucket_down_a_callback_gets_503_and_a_time_to_come_back(
    ingress: Stack, payload: Payload
) -> None:
    frozen = [ingress.process("redis").pid, ingress.process("s3").pid]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            started = time.monotonic()
            answer = Service(ingress).post(payload("video"))
            assert time.monotonic() - started < 2
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        unready = requests.get(f"{ingress.url}/readyz", timeout=10)
        assert (unready.status_code, sorted(unready.json()["reasons"])) == (503, ["broker", "bucket"])
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: Service(ingress).post(payload("video")).status_code == 200)


def test_a_chunked_body_over_the_limit_gets_413(ingress: Stack) -> None:
    pieces = (b"x" * 65536 for _ in range(32))
    answer = requests.post(
        f"{ingress.url}/callbacks", data=pieces, headers={"Content-Type": "application/json"}, timeout=15
    )
    assert answer.status_code == 413


def test_a_chunked_callback_is_taken(ingress: Stack, payload: Payload) -> None:
    body = json.dumps(payload("video")).encode()
    answer = requests.post(
        f"{ingress.url}/callbacks",
        data=iter([body[:10], body[10:]]),
        headers={"Content-Type": "application/json"},
        timeout=15,
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [b"[" * 500_000, b"\xff\xfe", b"", b'{"data": {"task_id": "\\u0000"}}'])
def test_a_hostile_body_gets_400_from_the_real_server(ingress: Stack, body: bytes) -> None:
    answer = Service(ingress).post(body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_metrics_tell_the_queues(ingress: Stack) -> None:
    text = requests.get(f"{ingress.url}/metrics", timeout=5).text
    assert "stemvault_up 1.0" in text
    assert 'stemvault_queue_length{queue="callbacks"}' in text
    assert 'stemvault_assets_waiting{queue="suspects"} 0.0' in text
    assert "stemvault_transfers 0.0" in text


def test_refusals_are_counted_by_reason(ingress: Stack) -> None:
    def counted() -> float:
        text = requests.get(f"{ingress.url}/metrics", timeout=5).text
        found = re.search(r'^stemvault_refusals_total{reason="too_large",status="413"} (.+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = counted()
    for _ in range(3):
        assert Service(ingress).post(b"x" * 2 * 1024**2).status_code == 413
    eventually(lambda: counted() >= before + 3)


def test_every_refusal_is_logged_and_counted_with_its_request(ingress: Stack) -> None:
    log = ingress.process("ingress").log
    asked = {"X-Request-Id": "from-the-proxy.1"}
    nowhere = requests.get(f"{ingress.url}/nowhere", headers=asked, timeout=5)
    assert (nowhere.status_code, nowhere.headers["X-Request-Id"]) == (404, "from-the-proxy.1")
    assert requests.put(f"{ingress.url}/callbacks", headers={"X-Request-Id": "é\tno"}, timeout=5).status_code == 405
    by_reason: dict[str, dict[str, object]] = {}

    def both_logged() -> bool:
        lines = [json.loads(line) for line in log.read_text().splitlines() if '"status": 40' in line]
        by_reason.update({line["reason"]: line for line in lines})
        return {"not_found", "method_not_allowed"} <= by_reason.keys()

    eventually(both_logged)
    assert by_reason["not_found"]["request"] == "from-the-proxy.1"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", str(by_reason["method_not_allowed"]["request"]))
    assert by_reason["not_found"]["remote"] == "127.0.0.1"
    assert by_reason["not_found"]["pid"] != ingress.process("ingress").pid
    for line in (
        'stemvault_refusals_total{reason="not_found",status="404"}',
        'stemvault_refusals_total{reason="method_not_allowed",status="405"}',
    ):
        eventually(lambda line=line: line in requests.get(f"{ingress.url}/metrics", timeout=5).text)  # type: ignore[misc]


def test_a_misconfigured_ingress_names_the_faults_and_ends() -> None:
    with embedded_stack({"STEMVAULT_RETENTION": "soon"}) as stack:
        process = stack.group.start("ingress", stack.gunicorn())
        assert process.popen.wait(20) != 0
        said = process.tail(50)
        assert "STEMVAULT_RETENTION" in said
        assert "STEMVAULT_ALLOW_UNSIGNED" in said
        assert "Traceback" not in said


def test_the_plain_command_of_the_stable_surface_serves(ingress: Stack, payload: Payload) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*ingress.gunicorn()[:3], "-b", f"127.0.0.1:{port}", "app:create_app()"]
    process = ingress.group.start("plain", command)
    wait_until(lambda: requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok, "answer", process)
    answer = requests.post(f"http://127.0.0.1:{port}/callbacks", json=payload("video"), timeout=10)
    assert answer.json() == {"status": "received"}
    process.stop()


class _TimeIsOverError(BaseException):
    """Stands in for gevent's timeout, which can be raised at any line of a request."""


def test_an_interrupted_callbacks_answer_is_never_taken_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_stack({}) as stack:
        stack.start_redis()
        queue = open_queue(stack.redis_url)
        queue.publish("first", 1.0)
        with monkeypatch.context() as patch:

            def read_response(*_: object, **__: object) -> NoReturn:
                raise _TimeIsOverError

            patch.setattr("redis.connection.Connection.read_response", read_response)
            with pytest.raises(_TimeIsOverError):
                queue.publish("second", 2.0)
        # Redis refuses commands now; an unread answer of an earlier command would be read instead of that refusal.
        stack.redis().config_set("maxmemory", 1)
        with pytest.raises(PublishError):
            queue.publish("third", 3.0)
