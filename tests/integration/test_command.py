"""The ``stemvault`` command as people and scripts call it: by name, reading what it prints and its exit status."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from app.embedded.processes import free_port
from app.embedded.stack import BUCKET, embedded_stack
from config.settings import EXIT_MISCONFIGURED
from tests.conftest import PAYLOADS, Payload, eventually, wrong_clock
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film, picture
from workers.ledger.keys import task_key
from workers.ledger.ledger import Ledger
from workers.ledger.tasks import MAX_TASK_ASSETS

STEMVAULT = str(Path(sys.executable).parent / "stemvault")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [STEMVAULT, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environment},
        check=False,
    )


def pointing_at(service: Service) -> dict[str, str]:
    """Give the settings with which a command finds the stack."""
    environment = service.stack.group.environment
    return {name: value for name, value in environment.items() if name.startswith(("STEMVAULT_", "AWS_"))}


def test_demo_shows_every_asset_byte_for_byte_within_a_minute() -> None:
    started = time.monotonic()
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < 60
    assert "All 33 assets are in the bucket" in done.stdout
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


def test_doctor_finds_a_good_vault_good(service: Service) -> None:
    done = run("doctor", **pointing_at(service))
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    for what in (
        "settings",
        "broker answers",
        "takes an object",
        "gives it back",
        "be deleted",
        "refuses to overwrite",
    ):
        assert what in done.stdout
    assert not [key for key in service.objects("_unrecognized/") if "doctor" in key]


def test_doctor_says_what_is_wrong_and_how_to_mend_it(service: Service) -> None:
    good = pointing_at(service)
    broken = {
        **good,
        "STEMVAULT_S3_BUCKET": "no-such-bucket",
        "STEMVAULT_REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
        "STEMVAULT_S3_BUKET": "typo",
    }
    done = run("doctor", **broken)
    assert done.returncode == 1
    for advice in ("STEMVAULT_REDIS_URL", "does it exist", "s3:ListBucket", "Did you mean STEMVAULT_S3_BUCKET"):
        assert advice in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_doctor_names_all_faults_of_the_settings() -> None:
    done = run("doctor")
    assert done.returncode == 1
    for name in ("STEMVAULT_REDIS_URL", "STEMVAULT_S3_BUCKET", "STEMVAULT_ALLOW_UNSIGNED"):
        assert name in done.stdout


def test_replay_takes_a_kept_callback_in_and_status_tells_of_it(service: Service, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    done = run("replay", str(bad), str(PAYLOADS / "video_error_429.json"), **pointing_at(service))
    assert done.returncode == 1
    assert "not a JSON object" in done.stdout
    assert "enqueued, task taskId_aab3238922bc" in done.stdout
    service.settled("taskId_aab3238922bc")
    told = run("status", "taskId_aab3238922bc", **pointing_at(service))
    assert told.returncode == 0
    assert json.loads(told.stdout)["meaning"].startswith("out of credits")
    overview = run("status", **pointing_at(service))
    assert overview.returncode == 0
    assert "Tickets in queues" in overview.stdout
    assert "Transfers under way: 0   Assets that wait for one: urgent 0  assets 0  suspects 0" in overview.stdout
    unknown = run("status", "never-heard-of", **pointing_at(service))
    assert unknown.returncode == 1


def test_a_command_without_redis_says_so_plainly(service: Service) -> None:
    done = run("status", **{**pointing_at(service), "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert done.returncode == 1
    assert "Redis did not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_retry_has_what_was_given_up_tried_again(service: Service, origin: Origin) -> None:
    origin.serve("/r.mp4", Answer(status=302, headers={"Location": "ftp://elsewhere/"}), film(0))
    service.post({"code": 200, "msg": "", "data": {"task_id": "given-up", "video_url": origin.url + "/r.mp4"}})
    assert service.settled("given-up").assets["video"]["state"] == "rejected"
    done = run("retry", "given-up", **pointing_at(service))
    assert (done.returncode, "given-up/video" in done.stdout) == (0, True)
    eventually(lambda: (found := service.snapshot("given-up")) and found.assets["video"]["state"] == "archived")
    again = run("retry", "given-up", **pointing_at(service))
    assert again.returncode == 1
    assert "Nothing of task given-up was given up" in again.stdout


def test_what_is_kept_for_people_shows_in_status_and_can_be_replayed_from_the_bucket(service: Service) -> None:
    body = b'{"code": 200, "data": {"task_id": "odd-one", "hologram": 1}}'
    assert service.post(body).status_code == 200
    name = f"_unrecognized/{hashlib.sha256(body).hexdigest()}.json"
    eventually(lambda: name in service.objects("_unrecognized/"))
    told = run("status", **pointing_at(service))
    assert "no documented shape" in told.stdout
    done = run("replay", name, "no-such-file.json", **pointing_at(service))
    assert done.returncode == 1
    assert "enqueued, task odd-one" in done.stdout
    assert "no such file" in done.stdout


def test_all_that_an_older_version_kept_is_taken_in_again_with_one_command(service: Service, origin: Origin) -> None:
    s3 = service.stack.s3()

    def keep(body: bytes) -> str:
        key = f"_unrecognized/{hashlib.sha256(body).hexdigest()}.json"
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"why": "no documented shape fits 'data'"})
        return key

    tasks = {f"kept-{number}": origin.serve(f"/kept/{number}.png", picture(f"kept {number}")) for number in range(30)}
    older = [
        keep(json.dumps({"code": 200, "data": {"taskId": task, "info": {"result_urls": [url]}}}).encode())
        for task, url in tasks.items()
    ]
    odd = keep(b'{"code": 200, "data": {"task_id": "still-odd", "hologram": 2}}')
    # A task that may have no more files: what reminds of those that are not stored is not deleted.
    ledger = Ledger(service.stack.redis())
    ledger.redis.hset(task_key("full"), "assets", "\n".join(f"f{number}" for number in range(MAX_TASK_ASSETS)))
    full = keep(b'{"code": 200, "data": {"taskId": "full", "info": {"resultUrl": "http://files.example/x.png"}}}')
    unreadable = keep(b"[]")
    done = run("replay", "--unrecognized", **pointing_at(service))
    assert done.returncode == 1, done.stdout
    assert f"{unreadable}: not taken: the body is not a JSON object" in done.stdout
    assert f"{odd}: still not recognised" in done.stdout
    assert "30 recorded by a worker and deleted" in done.stdout
    for number, task in enumerate(tasks):
        assert service.settled(task).assets["result_1"]["state"] == "archived"
        assert service.objects(f"{task}/")[f"{task}/{task}_result_1.png"] == picture(f"kept {number}")
    left = service.objects("_unrecognized/")
    assert not set(older) & set(left)
    assert {odd, unreadable, full} <= set(left)
    assert f"{full}: left there: not recorded" in done.stdout
    for key in (unreadable, full):
        s3.delete_object(Bucket=BUCKET, Key=key)
    again = run("replay", "--unrecognized", **pointing_at(service))
    assert again.returncode == 0, again.stdout
    assert {origin.count(f"/kept/{number}.png") for number in range(30)} == {1}


def test_replay_without_anything_to_replay_says_what_to_give(service: Service) -> None:
    for arguments in ((), ("--unrecognized", "file.json")):
        done = run("replay", *arguments, **pointing_at(service))
        assert (done.returncode, "name FILES, or give --unrecognized" in done.stderr) == (2, True)


def test_a_fleet_that_is_not_there_shows_everywhere_and_one_that_is_shows_too(service: Service) -> None:
    there = pointing_at(service)
    assert run("alive", "worker", **there).returncode == run("alive", "clock", **there).returncode == 0
    assert "Workers: 1   Clocks: 1" in run("status", **there).stdout
    assert "1 workers are there" in run("doctor", **there).stdout
    eventually(lambda: "the sweep is made" in run("doctor", **there).stdout)
    metrics = requests.get(f"{service.stack.url}/metrics", timeout=5).text
    assert "stemvault_workers 1.0" in metrics
    assert "stemvault_clocks 1.0" in metrics
    assert "stemvault_seconds_since_sweep" in metrics
    with embedded_stack(LOCAL) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.start_ingress()
        alone = pointing_at(Service(stack))
        assert Service(stack).post({"code": 200, "data": {"task_id": "waits", "video_url": "x"}}).ok
        assert "was acknowledged and waits in Redis" in run("status", "waits", **alone).stdout
        stack.process("redis").kill()
        assert Service(stack).post({"code": 200, "data": {"task_id": "inboxed", "video_url": "x"}}).ok
        stack.restart("redis")
        assert "waits in the bucket's inbox (_inbox/" in run("status", "inboxed", **alone).stdout
        assert run("status", "never-heard-of", **alone).returncode == 1
        assert run("alive", "worker", **alone).returncode == 1
        assert "Nothing moves without a worker and a clock" in run("status", **alone).stdout
        examined = run("doctor", **alone).stdout
        assert "no worker is there" in examined
        assert "celery -A workers beat" in examined
        assert "stemvault_workers 0.0" in requests.get(f"{stack.url}/metrics", timeout=5).text
        worker = stack.start_worker()
        eventually(lambda: run("alive", "worker", **alone).returncode == 0)
        worker.stop(30)
        assert run("alive", "worker", **alone).returncode == 1


def test_retry_says_why_there_is_nothing_to_try_again(service: Service, payload: Payload, origin: Origin) -> None:
    there = pointing_at(service)
    body = payload("video", origin.url)
    body["data"]["task_id"] = "retried"
    origin.serve(body["data"]["video_url"].removeprefix(origin.url), film(1000))
    service.post(body)
    service.settled("retried")
    for arguments, said in (
        (("nobody",), "Nothing is known of task nobody."),
        (("retried",), "Nothing of task retried was given up or waits"),
        (("retried", "vidoe"), "Task retried has no asset vidoe. It has: video."),
        (("retried", "video"), "retried/video is archived."),
    ):
        done = run("retry", *arguments, **there)
        assert (done.returncode, said in done.stdout) == (1, True), done.stdout


def test_status_knows_a_callback_that_is_kept_for_people(service: Service) -> None:
    service.post({"code": 200, "data": {"task_id": "kept-odd", "x": 1}})
    eventually(lambda: "is kept as _unrecognized/" in run("status", "kept-odd", **pointing_at(service)).stdout)


def test_a_worker_without_usable_aws_settings_ends_and_says_why(service: Service) -> None:
    environment = {**os.environ, **service.stack.group.environment, "AWS_PROFILE": "nope"}
    command = [*service.stack.celery(), "worker", "-n", "nope@%h"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_MISCONFIGURED
    assert "AWS settings: The config profile (nope) could not be found" in done.stderr


def test_doctor_shows_a_clock_that_differs_from_that_of_redis(service: Service, tmp_path: Path) -> None:
    assert re.search(r"ok +this host's time is 0\.\d s ", run("doctor", **pointing_at(service)).stdout)
    told = run("doctor", **pointing_at(service), **wrong_clock(tmp_path, 90)).stdout
    assert re.search(r"time is (90|89\.9|90\.1)\S* s ahead of Redis's", told), told
    assert "synchronize the hosts" in told


def test_doctor_tells_what_is_deadly_or_odd_in_one_line_each(service: Service) -> None:
    there = pointing_at(service)
    told = run("doctor", **there, STEMVAULT_CALLBACK_TOKEN="x", STEMVAULT_S3_PREFIX="music").stdout
    assert "callback token is short" in told
    assert "music/ if a folder is meant" in told
    for settings, said in (
        ({"STEMVAULT_CALLBACK_TOKEN": "a/b"}, "last step of the callback URL"),
        ({"STEMVAULT_ALLOWED_ASSET_HOSTS": "https://x.com"}, "without scheme, port or path"),
        ({"AWS_PROFILE": "nope"}, "AWS settings: The config profile (nope) could not be found"),
        ({"STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis did not answer at 127.0.0.1:1"),
        ({"STEMVAULT_REDIS_URL": f"redis://127.0.0.1:{service.stack.redis_port}/99"}, "refused a command"),
        ({"STEMVAULT_ALLOW_UNSIGNED": "ja"}, "STEMVAULT_ALLOW_UNSIGNED: write true or false"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, "at http://127.0.0.1:1: does it exist"),
    ):
        done = run("doctor", **{**there, **settings})
        assert (done.returncode, said in done.stdout, "Traceback" in done.stderr) == (1, True, False), done.stdout
    done = run("status", **{**there, "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert "Redis did not answer at 127.0.0.1:1" in done.stderr
    done = run("status", **{**there, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"})
    assert "Bucket stemvault: store_unavailable" in done.stderr
    assert "STEMVAULT_TOKN is no setting. Remove it" in run("status", **there, STEMVAULT_TOKN="x").stderr
    done = run("status", **there, STEMVAULT_RETENTIN="1d")
    assert "STEMVAULT_RETENTIN is no setting. Did you mean STEMVAULT_RETENTION?" in done.stderr
    found = json.loads(run("doctor", "--json", **there).stdout)
    assert {
        "name": "settings",
        "what": "settings",
        "good": True,
        "advice": "",
        "warning": False,
        "value": "",
        "verdict": "ok",
    } in found


def test_doctor_tells_a_wrong_password_from_no_answer_and_fails_without_an_append_only_file() -> None:
    with embedded_stack(LOCAL) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.redis().config_set("appendonly", "no")
        there = pointing_at(Service(stack))
        done = run("doctor", **there)
        assert (done.returncode, "--appendonly yes" in done.stdout) == (1, True)
        stack.redis().config_set("requirepass", "secret")
        url = f"redis://:wrong@127.0.0.1:{stack.redis_port}/0"
        done = run("doctor", **{**there, "STEMVAULT_REDIS_URL": url})
        assert f"Redis at 127.0.0.1:{stack.redis_port} refused user or password" in done.stdout
        assert "wrong" not in done.stdout.replace("what is wrong", "")


def test_the_lines_that_up_prints_work_as_they_are_pasted(tmp_path: Path) -> None:
    with start_up(tmp_path, STEMVAULT_CALLBACK_TOKEN="a-token-of-some-length") as up:
        assert up.stdout
        lines = dict[str, str]()
        while "logs" not in lines:
            word, _, rest = up.stdout.readline().strip().partition(" ")
            lines[word] = rest.strip()
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STEMVAULT_"))}

        def paste(line: str) -> str:
            return subprocess.run(line, shell=True, capture_output=True, text=True, env=bare, check=True).stdout

        try:
            assert json.loads(paste(lines["try"])) == {"status": "received"}
            eventually(lambda: "Workers: 1   Clocks: 1" in paste(lines["status"]))
        finally:
            up.send_signal(signal.SIGINT)
        assert up.wait(40) == 0
