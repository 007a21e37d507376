"""The production install works: a bare environment, ``pip install .`` alone, and the documented commands."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.embedded.processes import wait_until
from app.embedded.stack import Stack, embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service
from tests.origin import Origin, film

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the project as README says, for production; give the folder of its commands."""
    environment = tmp_path_factory.mktemp("production") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(pip, check=True, timeout=400)
    return environment / "bin"


@pytest.fixture(scope="module")
def stack(binaries: Path) -> Iterator[Stack]:
    """Run README's three commands from that environment; Redis and S3 are not part of it."""
    with embedded_stack(LOCAL) as stack:
        stack.start_redis()
        stack.start_s3()
        bind = {"STEMVAULT_BIND": f"127.0.0.1:{stack.ingress_port}"}
        gunicorn = [str(binaries / "gunicorn"), "-c", "python:config.gunicorn", "app:create_app()"]
        ingress = stack.group.start("ingress", gunicorn, environment=bind)
        wait_until(lambda: requests.get(f"{stack.url}/readyz", timeout=3).ok, "be ready", ingress)
        celery = [str(binaries / "celery"), "-A", "workers"]
        worker = stack.group.start("worker", [*celery, "worker"])
        stack.wait_for_worker(worker)
        stack.group.start("beat", [*celery, "beat"])
        yield stack


@pytest.mark.timeout(600)
def test_the_three_documented_commands_archive_a_callback(stack: Stack, origin: Origin, payload: Payload) -> None:
    service = Service(stack)
    video = payload("video", origin.url)
    content = film(6 * 1024**2)
    # The first answer is empty, so the asset is retried, which shows that beat works too.
    origin.serve(video["data"]["video_url"].removeprefix(origin.url), b"", content)
    assert service.post(video).status_code == 200
    task_id = video["data"]["task_id"]
    service.settled(task_id, patience=90)
    assert service.objects(f"{task_id}/")[f"{task_id}/{task_id}_video.mp4"] == content
    assert all(process.popen.poll() is None for process in stack.group.processes)


@pytest.mark.timeout(120)
def test_the_operators_command_runs_from_the_same_environment(stack: Stack, binaries: Path) -> None:
    def stemvault(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(binaries / "stemvault"), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=dict(stack.group.environment), timeout=60, check=False
        )

    for arguments in (("doctor",), ("status",), ("doctor", "--policy")):
        done = stemvault(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    demo = stemvault("demo")
    assert demo.returncode == 1
    assert "pip install 'stemvault[embedded]'" in demo.stderr
    assert "Traceback" not in demo.stderr
    eventually(lambda: requests.get(f"{stack.url}/metrics", timeout=3).ok)
