"""Submitting a task through Stemvault: what is forwarded, what is answered, and that the new task is watched."""

import json
from typing import Any

import pytest

from app.console.paths import SUBMISSIONS
from app.console.submissions import WATCHED_HEADER
from tests.unit.conftest import START, Clock
from tests.unit.console.conftest import AUTHORIZED, KEY, TOKEN, Console, Inbox, MakeConsole, Provider
from workers.provider.families import FAMILIES
from workers.watching.notes import note_of

SONG = {"prompt": "a song", "model": "V5", "callBackUrl": "https://elsewhere.example/hook"}


def watched(console: Console, task_id: str = "new") -> str | None:
    """Give the family with which the task is watched; None if it is not."""
    watch = next(console.watches.states([task_id]))
    return watch.family if watch else None


def test_a_submission_goes_out_with_our_key_and_our_callback_url(console: Console, provider: Provider) -> None:
    console.post("/provider/generate", SONG, Cookie="a=b", **{"X-Request-Id": "mine"})
    [(path, headers, body)] = provider.requests
    assert path == "/api/v1/generate"
    assert body == SONG | {"callBackUrl": "https://vault.example/callbacks"}
    assert headers["authorization"] == f"Bearer {KEY}"
    assert TOKEN not in str(headers)
    assert "cookie" not in headers


@pytest.mark.parametrize("path", SUBMISSIONS)
def test_the_new_task_is_watched_as_what_its_path_makes(console: Console, provider: Provider, path: str) -> None:
    answer = console.post(f"/provider/{path}", {})
    assert (answer.status_code, answer.headers[WATCHED_HEADER]) == (200, "redis")
    assert provider.requests[0][0] == f"/api/v1/{path}"
    assert watched(console) == SUBMISSIONS[path].family
    assert SUBMISSIONS[path].family in FAMILIES
    assert console.watches.next_ones(1) == [("new", START + 30)]


def test_each_family_that_can_be_asked_about_can_be_submitted() -> None:
    assert {submission.family for submission in SUBMISSIONS.values()} == FAMILIES.keys()


def test_the_callback_url_ends_in_the_token_and_stands_where_the_provider_looks(
    make_console: MakeConsole, provider: Provider
) -> None:
    console = make_console(CALLBACK_TOKEN="callback-token")
    console.post("/provider/voice/regenerate", {"taskId": "a"})
    assert provider.requests[0][2] == {"taskId": "a", "calBackUrl": "https://vault.example/callbacks/callback-token"}


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 200, "data": {"task_id": "new"}},
        {"code": 200, "task_id": "new", "data": None},
        {"code": 201, "taskId": "new"},
        {"code": 409, "msg": "it has covers already", "data": {"taskId": "new"}},
    ],
)
def test_the_tasks_id_is_found_wherever_it_stands(console: Console, provider: Provider, payload: Any) -> None:
    provider.answers(payload)
    assert console.post("/provider/generate", SONG).json == payload
    assert watched(console) == "music"


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "application/json", b'{"code":422,"msg":"no prompt","data":null}'),
        (429, "application/json", b"{}"),
        (502, "text/html", b"<html>Bad gateway</html>"),
        (200, "application/json", b'{"code":200,"data":{"taskId":"un/safe"}}'),
        (200, "application/json", b'{ "code" : 200,  "data" : [] }'),
    ],
)
def test_an_answer_without_a_task_comes_back_as_it_is(
    console: Console, provider: Provider, status: int, content_type: str, body: bytes
) -> None:
    provider.status, provider.headers, provider.body = status, {"Content-Type": content_type, "Set-Cookie": "a=b"}, body
    answer = console.post("/provider/generate", SONG)
    assert (answer.status_code, answer.content_type, answer.data) == (status, content_type, body)
    assert answer.headers[WATCHED_HEADER] == "no_task"
    assert "Set-Cookie" not in answer.headers
    assert console.watches.number() == 0


def test_other_paths_are_not_forwarded_and_the_answer_lists_those_that_are(
    console: Console, provider: Provider
) -> None:
    for path in ("common/download-url", "generate/record-info", "generate/", "../admin", "api/v1/generate"):
        answer = console.post(f"/provider/{path}", SONG)
        assert answer.status_code == 404, path
    assert all(each in console.post("/provider/chat", {}).json["detail"] for each in SUBMISSIONS)
    assert provider.requests == []


@pytest.mark.parametrize("setting", ["PROVIDER_API_KEY", "PUBLIC_URL"])
def test_the_setting_that_is_missing_is_named(make_console: MakeConsole, provider: Provider, setting: str) -> None:
    answer = make_console(**{setting: ""}).post("/provider/generate", SONG)
    assert (answer.status_code, answer.json["error"]) == (409, "not_configured")
    assert f"set STEMVAULT_{setting}." in answer.json["detail"]
    assert provider.requests == []


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b"\xff", b'{"a": NaN}'])
def test_a_body_that_is_no_object_is_not_forwarded(console: Console, provider: Provider, body: bytes) -> None:
    answer = console.send("/provider/generate", body=body, headers=AUTHORIZED)
    assert (answer.status_code, answer.json["error"]) == (400, "bad_json")
    assert provider.requests == []


def test_a_redirect_is_not_followed(console: Console, provider: Provider) -> None:
    provider.status, provider.headers = 307, {"Location": f"{provider.url}/elsewhere"}
    answer = console.post("/provider/generate", SONG)
    assert (answer.status_code, answer.json["error"]) == (502, "provider_fault")
    assert len(provider.requests) == 1
    assert KEY not in answer.text


def test_a_provider_that_is_away_is_told_and_the_answer_says_that_it_may_have_taken_the_request(
    make_console: MakeConsole,
) -> None:
    answer = make_console(PROVIDER_BASE_URL="http://127.0.0.1:1").post("/provider/generate", SONG)
    assert (answer.status_code, answer.json["error"]) == (502, "provider_fault")
    assert "may have taken" in answer.json["detail"]
    assert "Retry-After" not in answer.headers


def test_submissions_take_the_fleets_turns(make_console: MakeConsole) -> None:
    console = make_console(PROVIDER_RATE="2")
    for _ in range(3):
        console.post("/provider/generate", SONG)
    assert console.slept == [pytest.approx(0.5), pytest.approx(0.5)]


def test_a_submission_that_would_wait_too_long_for_its_turn_goes_at_once(
    make_console: MakeConsole, provider: Provider
) -> None:
    console = make_console(PROVIDER_RATE="0.1")
    for _ in range(2):
        assert console.post("/provider/generate", SONG).status_code == 200
    assert (console.slept, len(provider.requests)) == ([], 2)


@pytest.mark.parametrize(("payload", "status"), [({"code": 401, "msg": "no access"}, 200), ({}, 401)])
def test_a_wrong_key_pauses_the_requests_of_the_whole_fleet(
    console: Console, provider: Provider, payload: Any, status: int
) -> None:
    provider.answers(payload, status)
    assert console.post("/provider/generate", SONG).status_code == status
    pause = console.watches.turns.paused()
    assert pause is not None
    assert pause.reason == "wrong_key"
    assert console.watches.turns.take() > 0
    provider.answers({"code": 200, "data": {"taskId": "new"}})
    assert console.post("/provider/generate", SONG).status_code == 200


@pytest.mark.parametrize("code", [402, 422, 429, 455])
def test_other_refusals_concern_the_submission_alone(console: Console, provider: Provider, code: int) -> None:
    provider.answers({"code": code, "msg": "no"})
    console.post("/provider/generate", SONG)
    assert console.watches.turns.paused() is None


def test_with_redis_and_bucket_down_nothing_is_forwarded(console: Console, provider: Provider, inbox: Inbox) -> None:
    console.kill_redis()
    inbox.dead = True
    answer = console.post("/provider/generate", SONG)
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert provider.requests == []


def test_with_redis_down_the_new_task_is_kept_in_the_inbox(console: Console, provider: Provider, inbox: Inbox) -> None:
    console.kill_redis()
    answer = console.post("/provider/wav/generate", {})
    assert (answer.status_code, answer.data) == (200, provider.body)
    assert answer.headers[WATCHED_HEADER] == "inbox"
    assert (inbox.tried, inbox.notes) == (1, [note_of("new", "wav")])


def test_if_redis_fails_while_the_provider_answers_the_task_is_kept_all_the_same(
    console: Console, provider: Provider, inbox: Inbox
) -> None:
    provider.before_answer = console.kill_redis
    answer = console.post("/provider/generate", SONG)
    assert (answer.status_code, answer.json) == (200, json.loads(provider.body))
    assert (inbox.tried, inbox.notes) == (0, [note_of("new", "music")])


def test_a_task_that_could_be_kept_nowhere_is_told_in_the_answer(
    console: Console, provider: Provider, inbox: Inbox, clock: Clock
) -> None:
    def everything_fails() -> None:
        console.kill_redis()
        inbox.dead = True

    provider.before_answer = everything_fails
    answer = console.post("/provider/generate", SONG)
    assert (answer.json, answer.headers[WATCHED_HEADER]) == (json.loads(provider.body), "no")
    assert clock() == START
