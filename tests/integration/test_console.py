"""The console under gunicorn with a real Redis, a real S3 server and a small provider that calls the ingress back."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from app.embedded.processes import Process, free_port, wait_until
from app.embedded.stack import Stack, embedded_stack
from tests.conftest import eventually
from tests.integration.conftest import LOCAL, Service
from tests.origin import Origin, film
from workers.watching.turns import Turns
from workers.watching.watches import Watch, Watches

TOKEN, KEY = "an-admin-token-of-the-test", "a-key-of-the-provider"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Provider:
    """Takes submissions, and answers questions about their tasks. ``film_url`` is the result of each."""

    film_url: str = ""
    url: str = ""
    callback_urls: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def answer(self, path: str, body: Any) -> dict[str, Any]:
        if body is not None:
            self.callback_urls.append(body["callBackUrl"])
            self.meanwhile()
            return {"code": 200, "msg": "success", "data": {"taskId": f"submitted-{len(self.callback_urls)}"}}
        task_id = path.partition("taskId=")[2]
        if not path.startswith("/api/v1/mp4/record-info?") or not task_id.startswith("submitted-"):
            return {"code": 200, "msg": "success", "data": None}
        data = {"taskId": task_id, "successFlag": "SUCCESS", "response": {"videoUrl": self.film_url}}
        return {"code": 200, "msg": "success", "data": data}


@contextmanager
def running(provider: Provider) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            accepted = self.headers["Authorization"] == f"Bearer {KEY}"
            payload = provider.answer(self.path, body) if accepted else {"code": 401, "msg": "no access", "data": None}
            content = json.dumps(payload).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json;charset=UTF-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def start_console(stack: Stack, *arguments: str) -> tuple[Process, str]:
    """Start the console on a free port, and give its URL."""
    port = free_port()
    command = [*stack.gunicorn()[:3], *arguments, "-b", f"127.0.0.1:{port}", "app.console:create_app()"]
    process = stack.group.start("console", command)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: requests.get(f"{url}/healthz", timeout=2).ok, "answer", process)
    return process, url


def watch_of(stack: Stack, task_id: str) -> Watch | None:
    redis = stack.redis()
    return next(Watches(redis, Turns(redis)).states([task_id]))


def told_of(url: str, task_id: str) -> tuple[str | None, str | None]:
    """Ask the console for the outcome of a task's watch and the task's status; (None, None) if it is unknown."""
    answer = requests.get(f"{url}/tasks/{task_id}", headers=HEADERS, timeout=5).json()
    return (answer.get("watch") or {}).get("outcome"), answer.get("status")


@pytest.fixture
def provider(origin: Origin) -> Iterator[Provider]:
    provider = Provider(origin.serve("/film.mp4", film(4096)))
    with running(provider):
        yield provider


@contextmanager
def running_stack(provider: Provider) -> Iterator[Stack]:
    settings = {
        "STEMVAULT_ADMIN_TOKEN": TOKEN,
        "STEMVAULT_PROVIDER_BASE_URL": provider.url,
        "STEMVAULT_PROVIDER_API_KEY": KEY,
        "STEMVAULT_PUBLIC_URL": "https://vault.example",
        "STEMVAULT_CALLBACK_TOKEN": "a-secret-of-the-url",
        "STEMVAULT_POLL_INTERVAL": "1",
    }
    with embedded_stack(LOCAL | settings) as stack:
        stack.start_redis()
        stack.start_s3()
        yield stack


def test_a_task_that_is_submitted_through_the_console_is_archived_though_no_callback_comes(provider: Provider) -> None:
    with running_stack(provider) as stack:
        stack.start_worker()
        stack.start_beat()
        process, url = start_console(stack, "-c", "python:config.console_gunicorn")
        answer = requests.post(f"{url}/provider/mp4/generate", json={"taskId": "song"}, headers=HEADERS, timeout=15)
        assert answer.json() == {"code": 200, "msg": "success", "data": {"taskId": "submitted-1"}}
        assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
        assert provider.callback_urls == ["https://vault.example/callbacks/a-secret-of-the-url"]
        ended = ("settled", "archived")
        eventually(lambda: told_of(url, "submitted-1") == ended)
        assert Service(stack).objects()["submitted-1/submitted-1_video.mp4"] == film(4096)
        told = process.log.read_text()
        assert '"event": "task_submitted"' in told
        for secret in (KEY, TOKEN, "a-secret-of-the-url"):
            assert secret not in told


def test_if_redis_freezes_while_the_provider_answers_the_task_is_kept_in_the_bucket_and_watched_later(
    provider: Provider,
) -> None:
    with running_stack(provider) as stack:
        _, url = start_console(stack, "-c", "python:config.console_gunicorn")
        redis = stack.process("redis")
        provider.meanwhile = lambda: os.kill(redis.pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            answer = requests.post(f"{url}/provider/mp4/generate", json={}, headers=HEADERS, timeout=15)
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        assert (answer.status_code, answer.headers["X-Stemvault-Watched"]) == (200, "inbox")
        assert time.monotonic() - started < 6
        assert len(Service(stack).objects("_inbox/")) == 1
        stack.start_worker()
        stack.start_beat()
        Service(stack).settled("submitted-1")
        watch = watch_of(stack, "submitted-1")
        assert watch is not None
        assert (watch.family, watch.outcome) == ("video", "settled")


def test_with_redis_gone_the_bucket_keeps_the_task_and_with_both_gone_nothing_is_sent(provider: Provider) -> None:
    with running_stack(provider) as stack:
        _, url = start_console(stack, "-c", "python:config.console_gunicorn")
        stack.process("redis").kill()
        answer = requests.post(f"{url}/provider/mp4/generate", json={}, headers=HEADERS, timeout=15)
        assert answer.headers["X-Stemvault-Watched"] == "inbox"
        assert len(Service(stack).objects()) == 1
        stack.process("s3").kill()
        answer = requests.post(f"{url}/provider/mp4/generate", json={}, headers=HEADERS, timeout=15)
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert len(provider.callback_urls) == 1


def test_the_plain_command_serves_on_loopback_and_a_missing_token_ends_it(provider: Provider) -> None:
    with running_stack(provider) as stack:
        process, url = start_console(stack)
        assert requests.get(f"{url}/tasks/a", timeout=5).status_code == 401
        answer = requests.post(f"{url}/tasks", json={"task_id": "a"}, headers=HEADERS, timeout=5)
        assert (answer.status_code, answer.json()) == (202, {"watching": 1})
        process.stop()
    with embedded_stack(LOCAL) as stack:
        command = [*stack.gunicorn()[:3], "-c", "python:config.console_gunicorn", "app.console:create_app()"]
        process = stack.group.start("console", [*command[:-1], "-b", f"127.0.0.1:{free_port()}", command[-1]])
        assert process.popen.wait(20) == 4
        said = process.tail(50)
        assert "STEMVAULT_ADMIN_TOKEN is not set" in said
        assert "Traceback" not in said
