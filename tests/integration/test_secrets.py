"""Secrets stay out of logs (at debug level too), HTTP answers, and printed settings."""

import json
import time
from typing import Any

import pytest
import requests

from app.embedded.stack import Stack, embedded_stack
from app.ingress.authentication import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from tests.conftest import MakeSettings, eventually
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, song

KEY, TOKEN, QUERY, PASSWORD = "hmac-key-5ecret", "url-token-5ecret", "url-query-5ecret", "redis-5ecret"
SECRETS = (KEY, TOKEN, QUERY)
SETTINGS = {
    **LOCAL,
    "STEMVAULT_WEBHOOK_HMAC_KEYS": KEY,
    "STEMVAULT_CALLBACK_TOKEN": TOKEN,
    "STEMVAULT_LOG_LEVEL": "debug",
}


#: The query of every URL in the callbacks.
SIGNED = f"?X-Amz-Signature={QUERY}"


def serve(origin: Origin) -> dict[str, str]:
    """Serve files, redirects and failures; give the fields of a callback that names them, and broken URLs."""
    good = song("a", 3)
    origin.serve("/good", good)
    origin.serve("/gone", Answer(status=403))
    origin.serve("/moved", Answer(status=302, headers={"Location": f"/elsewhere{SIGNED}"}))
    origin.serve("/elsewhere", good)
    origin.serve("/away", Answer(status=302, headers={"Location": f"ftp://files.example{SIGNED}"}))
    origin.serve("/cut", Answer(good, cut_at=99), good)
    return {f"{name}_url": f"{origin.url}/{name}{SIGNED}" for name in ("good", "gone", "moved", "away", "cut")} | {
        "closed_url": f"http://127.0.0.1:1/{SIGNED}",
        "nobody_url": f"http://nobody.invalid/{SIGNED}",
        "login_url": f"http://{QUERY}:{QUERY}@files.example/",
        "odd_url": f"http://[{SIGNED}",
        "page_url": f"gopher://files.example/{SIGNED}",
    }


def signature() -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(KEY, "t", timestamp)}


def send_callbacks(service: Service, body: dict[str, Any], odd: dict[str, Any]) -> list[requests.Response]:
    """Send good, unrecognised, unreadable and refused callbacks."""
    signed = signature()
    answers = [
        service.post(body, f"/callbacks/{TOKEN}", **signed),
        service.post(json.dumps(odd).encode(), f"/callbacks/{TOKEN}", **signed),
        service.post(b"{", f"/callbacks/{TOKEN}", **signed),
        service.post(body, f"/callbacks/{TOKEN}x", **signed),
        service.post(body, f"/callbacks/{TOKEN}", **{**signed, SIGNATURE_HEADER: "wrong"}),
        service.post(body, f"/callbacks/{TOKEN}/nowhere", **signed),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 401, 401, 404]
    return answers


def ask_pages(stack: Stack, *pages: str) -> list[requests.Response]:
    return [requests.get(f"{stack.url}/{page}", timeout=10) for page in pages]


def wait_for_attempts(service: Service, assets: int) -> None:
    """Wait until each asset of the task was tried and the odd callback is kept."""

    def tried() -> bool:
        records = snapshot.assets.values() if (snapshot := service.snapshot("t")) else []
        return len(records) == assets and all(record.attempts for record in records)

    eventually(tried)
    eventually(lambda: service.objects("_unrecognized/"))


def test_a_full_run_at_debug_level_tells_no_key_token_or_query(origin: Origin) -> None:
    urls = serve(origin)
    body = {"code": 200, "msg": "", "data": {"task_id": "t", "vocal_removal_info": urls}}
    odd = {"code": 200, "data": {"task_id": "t", "novelty": f"see {urls['good_url']}"}}
    with embedded_stack(SETTINGS) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.start_ingress()
        stack.start_worker()
        stack.start_beat()
        service = Service(stack)
        answers = send_callbacks(service, body, odd)
        wait_for_attempts(service, len(urls))
        answers += ask_pages(stack, "healthz", "openapi.json")
        logs = [stack.process(name).log for name in ("ingress", "worker", "beat")]
        eventually(lambda: all('"level": "debug"' in log.read_text() for log in logs))
        stack.process("redis").kill()
        answers += ask_pages(stack, "readyz", "metrics")
        answers.append(service.post(body, f"/callbacks/{TOKEN}", **signature()))
        stack.restart("redis")
        answers += ask_pages(stack, "readyz", "metrics")
        texts = {process.name: process.log.read_text() for process in stack.group.processes}
    texts["answers"] = "".join(f"{answer.headers}{answer.text}" for answer in answers)
    assert "asset_archived" in texts["worker"]
    assert "asset_postponed" in texts["worker"]
    assert "asset_rejected" in texts["worker"]
    for source, text in texts.items():
        for secret in SECRETS:
            assert secret not in text, (source, [line for line in text.splitlines() if secret in line][:3])


@pytest.mark.parametrize("show", [repr, str, lambda settings: settings.model_dump_json()])
def test_settings_that_are_printed_keep_their_secrets(make_settings: MakeSettings, show: type[str]) -> None:
    settings = make_settings(
        WEBHOOK_HMAC_KEYS=f"{KEY},other", CALLBACK_TOKEN=TOKEN, REDIS_URL=f"redis://user:{PASSWORD}@redis:6379/0"
    )
    assert not [secret for secret in (KEY, TOKEN, PASSWORD) if secret in show(settings)]


@pytest.mark.parametrize("url", [f"redis://:{PASSWORD}@[x/0", f"http://:{PASSWORD}@redis/0", f"redis://:{PASSWORD}@:x"])
def test_a_faulty_redis_url_is_refused_without_its_password(make_settings: MakeSettings, url: str) -> None:
    with pytest.raises(Exception, match="STEMVAULT_REDIS_URL") as raised:
        make_settings(REDIS_URL=url)
    assert PASSWORD not in str(raised.value)
