"""Any bytes as a body are refused or accepted, in little time and memory, and never cause a 500."""

import hashlib
import json
import random
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.embedded.stack import Stack
from config.settings import load_settings
from tests.conftest import PAYLOADS
from tests.integration.conftest import running_ingress
from workers.callbacks import parse_body, parse_callback
from workers.context import WorkerContext, open_context
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError
from workers.ingest import ingest

MUTATIONS, GENERATED = 17_000, 3_000
EXPECTED = {200, 400, 413, 415}
#: Growth by allocator and caches, which does not depend on the number of requests.
SLACK = 16 * 1024**2

SEEDS = [path.read_bytes() for path in sorted(PAYLOADS.glob("*.json"))]
NASTY = [
    *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\xaf", b"\\u0000", b"\\ud800", b"\\udfff\\ud800"),
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 5000, b"1." + b"0" * 5000, b"true", b"null", b"{}", b"[]", b'""'),
    *(b"[" * 5000, b'{"a":' * 5000, b'"task_id":"other",', b'"data":{"task_id":"x"},', b"../../x", b"%2e%2e%2f", b"/"),
    *(b"\\", b'"', b"\r\n\r\n", b"\xe2\x80\xae", b"${jndi:ldap://x}", b"http://[", b"http://169.254.169.254/", b"'--"),
]


@pytest.fixture(scope="module")
def ingress() -> Iterator[Stack]:
    """Run the ingress with a body limit that some bodies exceed."""
    with running_ingress(STEMVAULT_MAX_CALLBACK_BYTES="64KiB") as stack:
        yield stack


def mutate(chance: random.Random) -> bytes:
    """Take one of the provider's callbacks and change it in one to four places."""
    body = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 4)):
        at, to = sorted((chance.randint(0, len(body)), chance.randint(0, len(body))))
        how = chance.randrange(6)
        if how == 0 and body:
            body[chance.randrange(len(body))] = chance.randrange(256)
        elif how == 1:
            del body[at : min(to, at + 40)]
        elif how == 2:
            body[at:at] = body[at : min(to, at + 400)]
        elif how == 3:
            body[at:at] = chance.choice(NASTY)
        elif how == 4:
            del body[at:]
        else:
            texts = body.split(b'"')
            texts[chance.randrange(len(texts))] = bytearray(chance.choice(NASTY))
            body = bytearray(b'"'.join(texts))
    return bytes(body)


def workers_of(ingress: Stack) -> list[int]:
    pid = ingress.process("ingress").pid
    return sorted(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def memory_of(pids: list[int]) -> int:
    """Give the memory of the processes, in bytes."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * 4096


@pytest.fixture(scope="module")
def context(ingress: Stack) -> WorkerContext:
    """Open a worker's context on this stack. No worker runs, so that each body can be examined alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ingress.group.environment.items():
            patch.setenv(name, value)
        return open_context(load_settings())


def judge(context: WorkerContext, body: bytes) -> None:
    """Process an acknowledged body as a worker does, which must not raise; check that it is kept somewhere."""
    ingest(context, body.decode(), time.time())
    key = context.settings.layout.unrecognized_key(f"{hashlib.sha256(body).hexdigest()}.json")
    kept_for_people = context.store.read_text(key) == body
    try:
        callback = parse_callback(parse_body(body))
    except (UnreadableCallbackError, UnrecognizedCallbackError):
        assert kept_for_people
        return
    keys = [asset.key(context.settings.layout) for asset in callback.assets]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith(f"{callback.task_id}/") and ".." not in key.split("/") for key in keys)
    assert kept_for_people or context.ledger.has_recorded(callback, body)
    assert all(context.ledger.asset(asset.id).state == "pending" for asset in callback.assets)


def test_spoiled_callbacks_are_refused_or_taken_and_memory_stays_flat(ingress: Stack, context: WorkerContext) -> None:
    pids = workers_of(ingress)
    local = threading.local()
    statuses: Counter[int] = Counter()

    def send(seed: int) -> None:
        body = mutate(random.Random(seed))
        if not hasattr(local, "session"):
            local.session = requests.Session()
        answer = local.session.post(
            f"{ingress.url}/callbacks", data=body, headers={"Content-Type": "application/json"}, timeout=15
        )
        statuses[answer.status_code] += 1
        assert answer.status_code in EXPECTED, (seed, answer.text)
        if answer.status_code == 200:
            judge(context, body)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(send, range(MUTATIONS // 4)))
        before = memory_of(pids)
        list(clients.map(send, range(MUTATIONS // 4, MUTATIONS)))
    assert workers_of(ingress) == pids, "a worker has died"
    assert memory_of(pids) - before < SLACK
    assert min(statuses[200], statuses[400]) > MUTATIONS // 20, statuses


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    *("callbackType", "data", "vocal_removal_info", "video_url", "audioWavUrl", "images", "id", "audio_url", "text"),
    *("vocal_separation_info", "origin_data", "resultJson", "state", "failCode", "model", "info", "response", "error"),
    *("instruments", "voiceId", "result_video_url", "status", "duration", "resultUrls", "param"),
]
TASK_IDS = st.text(string.printable, min_size=1, max_size=9) | JSON_VALUES
URLS = st.integers(0, 99).map(lambda number: f"http://files.example/{number}.mp3")
BODIES = st.dictionaries(
    st.sampled_from(FIELDS),
    JSON_VALUES
    | URLS
    | st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES | URLS), max_size=3)
    | st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES | URLS).flatmap(
        lambda found: st.sampled_from([found, json.dumps(found)])
    ),
)
CALLBACKS = st.builds(
    lambda code, data, name, task, on_top: (
        {"code": code, name: task, "data": data} if on_top else {"code": code, "data": {**data, name: task}}
    ),
    JSON_VALUES | st.just(200),
    BODIES,
    st.sampled_from(["task_id", "taskId"]),
    TASK_IDS,
    st.booleans(),
)


def test_generated_bodies_are_refused_or_taken(ingress: Stack, context: WorkerContext) -> None:
    pids = workers_of(ingress)
    session = requests.Session()

    @settings(max_examples=GENERATED, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(st.binary(max_size=300) | (JSON_VALUES | CALLBACKS).map(lambda value: json.dumps(value).encode()))
    def send(body: bytes) -> None:
        answer = session.post(
            f"{ingress.url}/callbacks", data=body, headers={"Content-Type": "application/json"}, timeout=15
        )
        assert answer.status_code in EXPECTED, answer.text
        if answer.status_code == 200:
            judge(context, body)

    send()
    assert workers_of(ingress) == pids, "a worker has died"
