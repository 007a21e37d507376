"""The HTTP interface, by Flask's test client, with a list in place of the queue in Redis."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.ingress.authentication import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from app.ingress.keeping.batching import PublishError
from tests.conftest import MakeSettings, Payload
from tests.unit.conftest import START, Clock
from workers.callbacks import parse_body, parse_callback

JSON = {"Content-Type": "application/json"}


@dataclass
class Queue:
    """Records callbacks, or fails like a dead broker."""

    taken: list[tuple[str, float]] = field(default_factory=list)
    dead: bool = False

    def __call__(self, body: str, received_at: float) -> None:
        if self.dead:
            raise PublishError("ConnectionError")
        self.taken.append((body, received_at))


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def client(make_settings: MakeSettings, queue: Queue, clock: Clock) -> FlaskClient:
    return create_app(make_settings(), publish=queue, now=clock).test_client()


@pytest.fixture
def video(payload: Payload) -> bytes:
    return json.dumps(payload("video"), ensure_ascii=False).encode()


def signed(key: str, body: bytes, *, at: float = START) -> dict[str, str]:
    task_id, timestamp = json.loads(body)["data"]["task_id"], str(int(at))
    return {**JSON, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(key, task_id, timestamp)}


def test_a_callback_is_acknowledged_and_travels_as_it_came(client: FlaskClient, queue: Queue, payload: Payload) -> None:
    body = json.dumps(payload("music_complete"), ensure_ascii=False, indent=3).encode()
    answer = client.post("/callbacks", data=body, headers=JSON)
    assert (answer.status_code, answer.json) == (200, {"status": "received"})
    assert queue.taken == [(body.decode(), START)]


def test_the_signature_is_the_one_that_the_provider_documents() -> None:
    # printf '%s' 'task_1.1800000000' | openssl dgst -sha256 -hmac secret -binary | base64
    assert sign("secret", "task_1", "1800000000") == "+2V1oMGgSsFdlixnrJvu84IjM3lM6Wluwxi+ejqJb90="


@pytest.mark.parametrize(
    ("name", "task_id"),
    [
        ("video", "taskId_c20ad4d76fe9"),
        ("cover_images", "9bf31c7ff062936a96d3c8bd1f8f2ff3"),
        ("midi_task_id_on_top", "7a5c7f5a8fb16fe3c88c7dd7d2b74438"),
        ("aleph", "97282b278e5d51866f8e57204e4820e5"),
        ("recovery", "0b2c082c00e002a2f571cbe340644239"),
    ],
)
def test_the_signature_covers_the_task_id_wherever_it_stands(
    make_settings: MakeSettings, queue: Queue, clock: Clock, payload: Payload, name: str, task_id: str
) -> None:
    client = create_app(make_settings(WEBHOOK_HMAC_KEYS="key"), publish=queue, now=clock).test_client()
    timestamp = str(int(START))
    for signed_id, status in (("another", 401), (task_id, 200)):
        headers = {**JSON, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign("key", signed_id, timestamp)}
        assert client.post("/callbacks", data=json.dumps(payload(name)), headers=headers).status_code == status


def test_two_different_ids_in_one_body_are_refused_whichever_is_signed(
    make_settings: MakeSettings, queue: Queue, clock: Clock
) -> None:
    client = create_app(make_settings(WEBHOOK_HMAC_KEYS="key"), publish=queue, now=clock).test_client()
    timestamp = str(int(START))
    for signed_id in ("one", "two"):
        headers = {**JSON, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign("key", signed_id, timestamp)}
        answer = client.post("/callbacks", data=b'{"task_id": "one", "data": {"taskId": "two"}}', headers=headers)
        assert (answer.status_code, "two different task ids" in (answer.json or {})["detail"]) == (400, True)
    assert queue.taken == []


def test_any_of_several_keys_signs_so_that_keys_can_be_rotated(
    make_settings: MakeSettings, queue: Queue, clock: Clock, video: bytes
) -> None:
    settings = make_settings(ALLOW_UNSIGNED="", WEBHOOK_HMAC_KEYS="old,new")
    client = create_app(settings, publish=queue, now=clock).test_client()
    for key in ("old", "new"):
        assert client.post("/callbacks", data=video, headers=signed(key, video)).status_code == 200
    assert client.post("/callbacks", data=video, headers=signed("other", video)).status_code == 401
    assert len(queue.taken) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({SIGNATURE_HEADER: ""}, "no_signature"),
        ({TIMESTAMP_HEADER: ""}, "no_signature"),
        ({SIGNATURE_HEADER: "é" * 44}, "wrong_signature"),
        ({SIGNATURE_HEADER: "x"}, "wrong_signature"),
        ({TIMESTAMP_HEADER: str(int(START) + 1)}, "wrong_signature"),
        ({TIMESTAMP_HEADER: str(int(START) - 301)}, "stale_timestamp"),
        ({TIMESTAMP_HEADER: str(int(START) + 301)}, "stale_timestamp"),
        ({TIMESTAMP_HEADER: "soon"}, "stale_timestamp"),
        ({TIMESTAMP_HEADER: "१८०००००००"}, "stale_timestamp"),
        ({TIMESTAMP_HEADER: "9" * 400}, "stale_timestamp"),
    ],
)
def test_a_callback_with_a_wrong_or_old_signature_is_refused_and_not_enqueued(
    make_settings: MakeSettings, queue: Queue, clock: Clock, video: bytes, change: dict[str, str], reason: str
) -> None:
    client = create_app(make_settings(WEBHOOK_HMAC_KEYS="key"), publish=queue, now=clock).test_client()
    answer = client.post("/callbacks", data=video, headers={**signed("key", video), **change})
    assert (answer.status_code, (answer.json or {})["error"]) == (401, reason)
    assert queue.taken == []


def test_a_signature_for_one_task_is_none_for_another(
    make_settings: MakeSettings, queue: Queue, clock: Clock, video: bytes, payload: Payload
) -> None:
    client = create_app(make_settings(WEBHOOK_HMAC_KEYS="key"), publish=queue, now=clock).test_client()
    other = json.dumps(payload("wav")).encode()
    assert client.post("/callbacks", data=other, headers=signed("key", video)).status_code == 401


def test_a_task_id_given_twice_is_signed_and_taken_as_the_same_one(
    make_settings: MakeSettings, queue: Queue, clock: Clock
) -> None:
    client = create_app(make_settings(WEBHOOK_HMAC_KEYS="key"), publish=queue, now=clock).test_client()
    body = b'{"code": 200, "data": {"task_id": "first", "task_id": "last", "video_url": "http://a.example/v.mp4"}}'
    timestamp = str(int(START))
    for task_id, status in (("first", 401), ("last", 200)):
        headers = {**JSON, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign("key", task_id, timestamp)}
        assert client.post("/callbacks", data=body, headers=headers).status_code == status
    assert parse_callback(parse_body(queue.taken[0][0])).task_id == "last"


def test_a_configured_token_must_end_the_url(
    make_settings: MakeSettings, queue: Queue, clock: Clock, video: bytes
) -> None:
    settings = make_settings(ALLOW_UNSIGNED="", CALLBACK_TOKEN="s3cret-é")
    client = create_app(settings, publish=queue, now=clock).test_client()
    assert client.post("/callbacks/s3cret-é", data=video, headers=JSON).status_code == 200
    for path in ("/callbacks", "/callbacks/", "/callbacks/wrong", "/callbacks/s3cret-é/more"):
        assert client.post(path, data=video, headers=JSON).status_code in {401, 404}
    assert len(queue.taken) == 1


def test_where_key_and_token_are_configured_both_are_needed(
    make_settings: MakeSettings, queue: Queue, clock: Clock, video: bytes
) -> None:
    settings = make_settings(WEBHOOK_HMAC_KEYS="key", CALLBACK_TOKEN="token")
    client = create_app(settings, publish=queue, now=clock).test_client()
    assert client.post("/callbacks/token", data=video, headers=JSON).status_code == 401
    assert client.post("/callbacks", data=video, headers=signed("key", video)).status_code == 401
    assert client.post("/callbacks/token", data=video, headers=signed("key", video)).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"not json", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"data": {}}', "task id"),
        (b'{"data": {"task_id": "a/b"}}', "task id"),
        (b'{"data": {"task_id": "t", "n": NaN}}', "NaN"),
        (b"\xff", "UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
    ],
)
def test_a_body_that_is_no_callback_gets_400_and_what_is_wrong(
    client: FlaskClient, queue: Queue, body: bytes, said: str
) -> None:
    answer = client.post("/callbacks", data=body, headers=JSON)
    assert answer.status_code == 400
    assert said in (answer.json or {})["detail"]
    assert queue.taken == []


def _long(size: int) -> bytes:
    frame = b'{"data": {"task_id": "t", "prompt": ""}}'
    return frame.replace(b'""', b'"' + b"x" * (size - len(frame)) + b'"')


def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_gets_413(client: FlaskClient, queue: Queue) -> None:
    limit = 1024**2
    assert client.post("/callbacks", data=_long(limit), headers=JSON).status_code == 200
    answer = client.post("/callbacks", data=_long(limit + 1), headers=JSON)
    assert (answer.status_code, (answer.json or {})["error"]) == (413, "too_large")
    assert len(queue.taken) == 1


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_another_method_gets_405_and_the_right_one(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)("/callbacks")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
def test_another_content_type_or_encoding_gets_415(client: FlaskClient, video: bytes, headers: dict[str, str]) -> None:
    answer = client.post("/callbacks", data=video, headers=headers)
    assert answer.status_code == 415
    assert (answer.json or {})["detail"]


def test_json_with_a_charset_is_json(client: FlaskClient, video: bytes) -> None:
    assert client.post("/callbacks", data=video, content_type="application/json; charset=utf-8").status_code == 200


def test_a_dead_broker_gets_503_and_a_time_to_come_back(client: FlaskClient, queue: Queue, video: bytes) -> None:
    queue.dead = True
    answer = client.post("/callbacks", data=video, headers=JSON)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_an_unexpected_error_gets_a_503_without_a_traceback(
    make_settings: MakeSettings, clock: Clock, video: bytes
) -> None:
    def explode(*_: Any) -> None:
        raise ZeroDivisionError("hush")

    client = create_app(make_settings(), publish=explode, now=clock).test_client()
    answer = client.post("/callbacks", data=video, headers=JSON)
    assert answer.status_code == 503
    assert b"hush" not in answer.data
    assert b"Traceback" not in answer.data


def test_an_unknown_path_is_a_json_404(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert (answer.status_code, (answer.json or {})["error"]) == (404, "not_found")


def test_healthz_needs_no_other_service_and_readyz_names_the_missing_ones(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "alive"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert set((answer.json or {})["reasons"]) == {"broker", "bucket"}


def test_metrics_without_redis_say_so(client: FlaskClient) -> None:
    assert b"stemvault_up 0.0" in client.get("/metrics").data
