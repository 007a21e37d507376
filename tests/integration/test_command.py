"""``stemvault status``, ``retry``, ``replay`` and ``alive`` on real processes."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import requests

from app.embedded.stack import BUCKET, embedded_stack
from config.settings import EXIT_MISCONFIGURED
from tests.conftest import PAYLOADS, Payload, eventually
from tests.integration.command import pointing_at, run
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film, picture
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import task_key
from workers.ledger.tasks import MAX_TASK_ASSETS


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
    assert "Wake-up messages in queues" in overview.stdout
    assert (
        "Transfers under way: 0 of 64 possible   Assets that wait for one: urgent 0  assets 0  suspects 0"
        in overview.stdout
    )
    unknown = run("status", "never-heard-of", **pointing_at(service))
    assert unknown.returncode == 1


def test_a_command_without_redis_says_so_plainly(service: Service) -> None:
    done = run("status", **{**pointing_at(service), "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert done.returncode == 1
    assert "Redis did not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_retry_archives_a_rejected_asset(service: Service, origin: Origin) -> None:
    origin.serve("/r.mp4", Answer(status=302, headers={"Location": "ftp://elsewhere/"}), film(0))
    service.post({"code": 200, "msg": "", "data": {"task_id": "given-up", "video_url": origin.url + "/r.mp4"}})
    assert service.settled("given-up").assets["video"].state == "rejected"
    done = run("retry", "given-up", **pointing_at(service))
    assert (done.returncode, "given-up/video" in done.stdout) == (0, True)
    eventually(lambda: (found := service.snapshot("given-up")) and found.assets["video"].state == "archived")
    again = run("retry", "given-up", **pointing_at(service))
    assert again.returncode == 1
    assert "Task given-up has no asset to retry" in again.stdout


def test_status_shows_unrecognized_callbacks_and_replay_enqueues_them_from_the_bucket(service: Service) -> None:
    body = b'{"code": 200, "data": {"task_id": "odd-one", "hologram": 1}}'
    assert service.post(body).status_code == 200
    name = f"_unrecognized/{hashlib.sha256(body).hexdigest()}.json"
    eventually(lambda: name in service.objects("_unrecognized/"))
    told = run("status", **pointing_at(service))
    assert "no documented shape" in told.stdout
    done = run("replay", name, "no-such-file.json", **pointing_at(service))
    assert done.returncode == 1
    assert "enqueued, task odd-one" in done.stdout
    assert "no such file or object" in done.stdout


def test_one_replay_command_enqueues_all_callbacks_that_an_older_version_kept(service: Service, origin: Origin) -> None:
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
    assert f"{unreadable}: not enqueued: the body is not a JSON object" in done.stdout
    assert f"{odd}: still not recognised" in done.stdout
    assert "30 recorded by a worker and deleted" in done.stdout
    for number, task in enumerate(tasks):
        assert service.settled(task).assets["result_1"].state == "archived"
        assert service.objects(f"{task}/")[f"{task}/{task}_result_1.png"] == picture(f"kept {number}")
    left = service.objects("_unrecognized/")
    assert not set(older) & set(left)
    assert {odd, unreadable, full} <= set(left)
    assert f"{full}: not deleted: not recorded" in done.stdout
    for key in (unreadable, full):
        s3.delete_object(Bucket=BUCKET, Key=key)
    again = run("replay", "--unrecognized", **pointing_at(service))
    assert again.returncode == 0, again.stdout
    assert {origin.count(f"/kept/{number}.png") for number in range(30)} == {1}


def test_replay_without_anything_to_replay_says_what_to_give(service: Service) -> None:
    for arguments in ((), ("--unrecognized", "file.json")):
        done = run("replay", *arguments, **pointing_at(service))
        assert (done.returncode, "give either FILES or --unrecognized" in done.stderr) == (2, True)


def test_status_doctor_alive_and_metrics_show_whether_workers_and_clocks_run(service: Service) -> None:
    there = pointing_at(service)
    assert run("alive", "worker", **there).returncode == run("alive", "clock", **there).returncode == 0
    assert "Workers: 1   Clocks: 1" in run("status", **there).stdout
    assert "workers running: 1" in run("doctor", **there).stdout
    eventually(lambda: "the sweep runs" in run("doctor", **there).stdout)
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
        assert "Assets are archived only with a worker and a clock" in run("status", **alone).stdout
        examined = run("doctor", **alone).stdout
        assert "workers running: 0" in examined
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
        (("nobody",), "Task nobody is unknown"),
        (("retried",), "Task retried has no asset to retry."),
        (("retried", "vidoe"), "Task retried has no asset vidoe. It has: video."),
        (("retried", "video"), "retried/video is archived, so there is nothing to retry."),
    ):
        done = run("retry", *arguments, **there)
        assert (done.returncode, said in done.stdout) == (1, True), done.stdout


def test_status_names_the_key_of_an_unrecognized_callback(service: Service) -> None:
    service.post({"code": 200, "data": {"task_id": "kept-odd", "x": 1}})
    eventually(lambda: "is kept as _unrecognized/" in run("status", "kept-odd", **pointing_at(service)).stdout)


def test_a_worker_without_usable_aws_settings_ends_and_says_why(service: Service) -> None:
    environment = {**os.environ, **service.stack.group.environment, "AWS_PROFILE": "nope"}
    command = [*service.stack.celery(), "worker", "-n", "nope@%h"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_MISCONFIGURED
    assert "AWS settings: The config profile (nope) could not be found" in done.stderr
