"""``stemvault up`` and ``demo``: they start everything, and leave nothing behind, however they end."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from app.embedded.processes import free_port
from tests.conftest import eventually
from tests.integration.command import STEMVAULT, run
from tests.integration.conftest import Service


def test_demo_shows_every_asset_byte_for_byte_within_a_minute() -> None:
    started = time.monotonic()
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 60
    assert "All 34 assets are in the bucket" in done.stdout
    assert "NO" not in done.stdout


def start(folder: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the command with ``folder`` for temporary files, by which all that it starts can be found."""
    surroundings = {**os.environ, **environment, "TMPDIR": str(folder)}
    return subprocess.Popen([STEMVAULT, *arguments], stdout=subprocess.PIPE, text=True, env=surroundings)


def start_up(folder: Path, **environment: str) -> "subprocess.Popen[str]":
    return start(folder, "up", "--port", str(free_port()), **environment)


def is_up(up: "subprocess.Popen[str]") -> bool:
    return bool(eventually(lambda: up.stdout and "Stemvault is up" in up.stdout.readline(), patience=40))


def running_below(folder: Path) -> list[int]:
    """Find the processes that work in the folder or have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is a stranger's
            ours = str(folder).encode() in (process / "environ").read_bytes()
            if ours or (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


def test_up_stays_until_it_is_told_to_end_and_leaves_nothing_running(tmp_path: Path) -> None:
    with start_up(tmp_path) as up:
        assert is_up(up)
        # up, its guard, redis-server, the S3 server, gunicorn, its workers, the Celery worker, its four, and beat
        assert len(running_below(tmp_path)) >= 12
        up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0
    assert running_below(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_up_starts_is_not_an_error_either(tmp_path: Path) -> None:
    with start_up(tmp_path) as up:
        # Redis runs, so starting has begun; gunicorn and Celery take seconds more.
        assert eventually(lambda: list(tmp_path.glob("stemvault-*/s3.log")), patience=40)
        up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0
    assert running_below(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("signals", "status"),
    [
        ([signal.SIGINT] * 3, None),
        ([signal.SIGTERM], 128 + signal.SIGTERM),
        ([signal.SIGHUP], 128 + signal.SIGHUP),
        ([signal.SIGKILL], -signal.SIGKILL),
    ],
    ids=["three times Ctrl-C", "SIGTERM", "SIGHUP", "SIGKILL"],
)
def test_however_up_ends_no_process_and_no_folder_is_left(
    tmp_path: Path, signals: list[signal.Signals], status: int | None
) -> None:
    with start_up(tmp_path) as up:
        assert is_up(up)
        for number in signals:
            up.send_signal(number)
            time.sleep(0.3)  # as quick as fingers are
        ended = up.wait(40)
    assert status in {None, ended}
    eventually(lambda: not running_below(tmp_path), patience=20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_command_that_is_killed_while_it_starts_its_parts_leaves_nothing(tmp_path: Path, command: str) -> None:
    with start_up(tmp_path) if command == "up" else start(tmp_path, command) as starting:
        eventually(lambda: list(tmp_path.glob("stemvault-*/ingress.log")))
        starting.kill()
    eventually(lambda: not running_below(tmp_path), patience=20)
    assert list(tmp_path.iterdir()) == []


def test_up_says_so_when_its_port_is_taken(service: Service) -> None:
    done = run("up", "--port", str(service.stack.ingress_port))
    assert done.returncode == 1
    assert "in use" in done.stderr


def printed(up: "subprocess.Popen[str]") -> dict[str, str]:
    """Read the lines that up prints for pasting, by their first word."""
    assert up.stdout
    lines = dict[str, str]()
    while "logs" not in lines:
        word, _, rest = up.stdout.readline().strip().partition(" ")
        lines[word] = rest.strip()
    return lines


def paste(line: str) -> str:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STEMVAULT_"))}
    return subprocess.run(line, shell=True, capture_output=True, text=True, env=bare, check=True).stdout


def test_the_lines_that_up_prints_work_as_they_are_pasted(tmp_path: Path) -> None:
    with start_up(tmp_path, STEMVAULT_CALLBACK_TOKEN="a-token-of-some-length") as up:
        lines = printed(up)
        try:
            assert json.loads(paste(lines["try"])) == {"status": "received"}
            eventually(lambda: "Workers: 1   Clocks: 1" in paste(lines["status"]))
        finally:
            up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0


def test_a_task_that_is_submitted_to_the_provider_of_up_is_archived(tmp_path: Path) -> None:
    """The callbacks are signed and go to a URL with a token: the provider and the ingress agree about both."""
    locks = {"STEMVAULT_WEBHOOK_HMAC_KEYS": "shared-with-the-provider", "STEMVAULT_CALLBACK_TOKEN": "a-token-of-length"}
    with start(tmp_path, "up", "--provider", "--port", str(free_port()), **locks) as up:
        lines = printed(up)
        try:
            task_id = json.loads(paste(lines["submit"]))["data"]["taskId"]
            # Two tracks with six files each.
            eventually(lambda: paste(f"{lines['status']} {task_id}").count("archived") >= 12, patience=60)
        finally:
            up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0
    assert running_below(tmp_path) == []
