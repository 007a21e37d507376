"""``stemvault doctor`` on real processes: its findings, its remedies and its exit status."""

import json
import re
from pathlib import Path

from app.embedded.stack import embedded_stack
from tests.conftest import wrong_clock
from tests.integration.command import pointing_at, run
from tests.integration.conftest import LOCAL, Service


def test_doctor_finds_no_fault_in_a_good_stack(service: Service) -> None:
    done = run("doctor", **pointing_at(service))
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
    for what in (
        "settings",
        "broker answers",
        "takes an object",
        "returns the object",
        "deletes an object",
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
    for advice in (
        "STEMVAULT_REDIS_URL",
        "Check that bucket no-such-bucket exists",
        "s3:ListBucket",
        "Did you mean STEMVAULT_S3_BUCKET",
    ):
        assert advice in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_doctor_names_all_faults_of_the_settings() -> None:
    done = run("doctor")
    assert done.returncode == 1
    for name in ("STEMVAULT_REDIS_URL", "STEMVAULT_S3_BUCKET", "STEMVAULT_ALLOW_UNSIGNED"):
        assert name in done.stdout


def test_doctor_shows_a_clock_that_differs_from_that_of_redis(service: Service, tmp_path: Path) -> None:
    assert re.search(r"ok +this host's time is 0\.\d s ", run("doctor", **pointing_at(service)).stdout)
    told = run("doctor", **pointing_at(service), **wrong_clock(tmp_path, 90)).stdout
    assert re.search(r"time is (90|89\.9|90\.1)\S* s ahead of Redis's", told), told
    assert "Synchronize the hosts" in told


def test_doctor_reports_each_fatal_or_unusual_setting_in_one_line(service: Service) -> None:
    there = pointing_at(service)
    told = run("doctor", **there, STEMVAULT_CALLBACK_TOKEN="x", STEMVAULT_S3_PREFIX="music").stdout
    assert "callback token is short" in told
    assert "For a folder, write music/" in told
    for settings, said in (
        ({"STEMVAULT_CALLBACK_TOKEN": "a/b"}, "last step of the callback URL"),
        ({"STEMVAULT_ALLOWED_ASSET_HOSTS": "https://x.com"}, "without scheme, port or path"),
        ({"AWS_PROFILE": "nope"}, "AWS settings: The config profile (nope) could not be found"),
        ({"STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis did not answer at 127.0.0.1:1"),
        ({"STEMVAULT_REDIS_URL": f"redis://127.0.0.1:{service.stack.redis_port}/99"}, "refused a command"),
        ({"STEMVAULT_ALLOW_UNSIGNED": "ja"}, "STEMVAULT_ALLOW_UNSIGNED: write true or false"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, "exists at http://127.0.0.1:1 (AWS_ENDPOINT_URL_S3)"),
    ):
        done = run("doctor", **{**there, **settings})
        assert (done.returncode, said in done.stdout, "Traceback" in done.stderr) == (1, True, False), done.stdout
    done = run("status", **{**there, "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert "Redis did not answer at 127.0.0.1:1" in done.stderr
    done = run("status", **{**there, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"})
    assert "Bucket stemvault: store_unavailable" in done.stderr
    assert "STEMVAULT_TOKN is not a setting. Remove it" in run("status", **there, STEMVAULT_TOKN="x").stderr
    done = run("status", **there, STEMVAULT_RETENTIN="1d")
    assert "STEMVAULT_RETENTIN is not a setting. Did you mean STEMVAULT_RETENTION?" in done.stderr
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
