"""Every line of ingress, worker and beat, on standard output and standard error, is one JSON event."""

import json
import os
import signal
import subprocess
from collections import Counter
from typing import Any

import pytest

from app.embedded.processes import Process
from app.embedded.stack import Stack, embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service, children_of, running_ingress
from tests.origin import Answer, Origin, film
from workers.ledger.storage.keys import TAKEN

Event = dict[str, Any]
#: A transfer of two minutes, longer than any test here waits.
SLOW = Answer(film(4 * 1024**2), pause=0.5, piece=16 * 1024)


def events(process: Process) -> list[Event]:
    """Read a log, every line of which must be an event."""
    found = []
    for line in process.log.read_text().splitlines():
        event = json.loads(line)
        assert {"event", "level", "timestamp"} <= event.keys(), line
        found.append(event)
    return found


def eventually_says(process: Process, words: str) -> None:
    """Wait for a log to hold these words."""
    eventually(lambda: words in process.log.read_text())


def end(process: Process, *signals: signal.Signals) -> int:
    """Send these signals and wait for the process to end."""
    for each in signals:
        process.popen.send_signal(each)
    return process.popen.wait(30)


def archiving(stack: Stack) -> bool:
    """Tell whether a worker holds an asset."""
    return bool(stack.redis().hlen(TAKEN))


@pytest.mark.timeout(180)
def test_every_line_is_an_event_whatever_happens(origin: Origin, payload: Payload) -> None:
    with embedded_stack({**LOCAL, "STEMVAULT_SHUTDOWN_GRACE": "1", "STEMVAULT_LEASE": "5"}) as stack:
        stack.start_all()
        service = Service(stack)
        ingress, worker, beat = (stack.process(name) for name in ("ingress", "worker", "beat"))
        video = payload("video", origin.url)
        origin.serve(video["data"]["video_url"].removeprefix(origin.url), SLOW)
        assert service.post(video).ok
        assert service.post(b"{").status_code == 400
        eventually(lambda: archiving(stack))
        killed = children_of(worker.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        eventually_says(worker, "worker_process_died")
        eventually(lambda: len(children_of(worker.pid) - killed) >= len(killed))
        os.kill(min(children_of(ingress.pid)), signal.SIGKILL)
        eventually_says(ingress, "SIGKILL")

        stack.process("redis").kill()
        assert service.post(payload("lyrics")).ok
        eventually_says(worker, "Cannot connect")
        eventually_says(beat, "Connection refused")
        stack.restart("redis")
        eventually(lambda: not service.objects("_inbox/"), patience=60)
        eventually(lambda: archiving(stack), patience=60)
        assert [end(process, signal.SIGTERM) for process in (beat, worker, ingress)] == [0, 0, 0]
        said = {process.name: events(process) for process in (ingress, worker, beat)}
    assert "WorkerLostError" in json.dumps(said["worker"])
    assert {"worker_starting", "asset_handed_back", "worker: Warm shutdown (MainProcess)"} <= {
        event["event"].strip() for event in said["worker"]
    }
    assert [event["event"] for event in said["beat"] if event["level"] == "info"] == ["beat_starting", "beat_ended"]
    counts = {name: Counter(event["level"] for event in found) for name, found in said.items()}
    assert all(count["debug"] == 0 for count in counts.values()), counts


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM, signal.SIGQUIT), (signal.SIGINT, signal.SIGINT, signal.SIGINT)], ids=["quit", "int"]
)
def test_a_worker_logs_only_events_when_signals_end_it_quickly(
    origin: Origin, payload: Payload, signals: tuple[signal.Signals, ...]
) -> None:
    with running_ingress(STEMVAULT_SHUTDOWN_GRACE="1") as stack:
        worker = stack.start_worker()
        video = payload("video", origin.url)
        origin.serve(video["data"]["video_url"].removeprefix(origin.url), SLOW)
        assert Service(stack).post(video).ok
        eventually(lambda: archiving(stack))
        worker.popen.send_signal(signal.SIGUSR1)
        eventually_says(worker, "LOCAL VARIABLES")
        first, *more = signals
        worker.popen.send_signal(first)
        eventually_says(worker, "shutdown")
        end(worker, *more)
        assert events(worker)


def test_the_level_comes_from_the_setting_and_not_from_the_commands_options() -> None:
    with embedded_stack({**LOCAL, "STEMVAULT_LOG_LEVEL": "warning"}) as stack:
        stack.start_redis()
        stack.start_s3()
        ingress = stack.start_ingress("--log-level", "debug")
        worker = stack.start_worker("worker", "--loglevel", "debug")
        assert Service(stack).post(b"{").status_code == 400
        eventually_says(ingress, "request_refused")
        end(worker, signal.SIGTERM)
        assert {event["level"] for event in events(ingress) + events(worker)} == {"warning"}


@pytest.mark.parametrize("program", ["ingress", "worker", "beat"])
def test_faults_in_the_settings_end_the_process_with_a_text_for_people(program: str) -> None:
    with embedded_stack({**LOCAL, "STEMVAULT_LOG_LEVEL": "loud"}) as stack:
        command = stack.gunicorn() if program == "ingress" else [*stack.celery(), program]
        done = subprocess.run(
            command, env=dict(stack.group.environment), capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 4
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == "Stemvault cannot start: 1 setting is missing or wrong."
    assert second.strip().startswith("STEMVAULT_LOG_LEVEL: ")
