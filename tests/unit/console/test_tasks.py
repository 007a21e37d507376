"""Registering submitted tasks for watching, and how a task stands."""

import json
from typing import Any

import pytest

from tests.conftest import Payload
from tests.unit.conftest import START, Clock
from tests.unit.console.conftest import AUTHORIZED, Console, MakeConsole
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.provider.families import FAMILIES


def test_a_task_or_a_list_of_tasks_is_watched_from_the_first_interval_on(console: Console) -> None:
    assert console.post("/tasks", {"task_id": "a", "family": "music"}).json == {"watching": 1}
    answer = console.post(
        "/tasks", [{"task_id": "b"}, {"task_id": "c", "family": ""}, {"task_id": "b", "family": "wav"}]
    )
    assert (answer.status_code, answer.json) == (202, {"watching": 2})
    families = {watch.task_id: (watch.family, watch.purpose) for watch in console.watches.states("abc") if watch}
    assert families == {"a": ("music", "watch"), "b": ("wav", "watch"), "c": ("", "watch")}
    assert console.watches.next_ones(10) == [("a", START + 30), ("b", START + 30), ("c", START + 30)]


@pytest.mark.slow
def test_a_thousand_tasks_are_watched_in_a_few_round_trips(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, uses = console.redis.connection_pool, []

    def get_connection(*args: Any, **kwargs: Any) -> Any:
        uses.append(args)
        return original(*args, **kwargs)

    original = pool.get_connection
    monkeypatch.setattr(pool, "get_connection", get_connection)
    answer = console.post("/tasks", [{"task_id": f"t{number}", "family": "music"} for number in range(1000)])
    assert 0 < len(uses) < 10
    assert (answer.status_code, answer.json, console.watches.number()) == (202, {"watching": 1000}, 1000)


def test_tasks_are_not_promised_if_redis_refuses_one_of_them(console: Console) -> None:
    console.post("/tasks", {"task_id": "b"})
    [record] = console.redis.keys("*:watch:b")
    console.redis.delete(record)
    console.redis.set(record, "no hash")
    answer = console.post("/tasks", [{"task_id": "a"}, {"task_id": "b"}])
    assert (answer.status_code, answer.json["error"]) == (503, "redis_unavailable")


def test_all_faults_are_told_at_once_and_then_nothing_is_registered(console: Console) -> None:
    entries: list[Any] = [
        {"task_id": "good"},
        {"task_id": "../bad", "family": "song"},
        {"taskId": "typo"},
        "just-an-id",
        {"task_id": 7, "family": ["music"]},
    ]
    answer = console.post("/tasks", entries)
    assert (answer.status_code, answer.json["error"]) == (400, "bad_tasks")
    faults = answer.json["faults"]
    assert [fault.partition(":")[0] for fault in faults] == [f"entry {n}" for n in (2, 2, 3, 3, 4, 5, 5)]
    assert ", ".join(FAMILIES) in faults[1]
    assert "'taskId'" in faults[3]
    assert console.watches.number() == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "bad_number"),
        (json.dumps([{"task_id": "a"}] * 1001).encode(), "bad_number"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b"null", "bad_tasks"),
        (b"7", "bad_tasks"),
    ],
)
def test_a_body_that_is_no_list_of_tasks_gets_400(console: Console, body: bytes, reason: str) -> None:
    answer = console.send("/tasks", body=body, headers=AUTHORIZED)
    assert (answer.status_code, answer.json["error"]) == (400, reason)


def test_the_answer_names_missing_settings_without_which_the_provider_cannot_be_polled(
    make_console: MakeConsole,
) -> None:
    console = make_console(PROVIDER_BASE_URL="", PROVIDER_API_KEY="")
    missing = ["STEMVAULT_PROVIDER_BASE_URL", "STEMVAULT_PROVIDER_API_KEY"]
    assert console.post("/tasks", {"task_id": "a"}).json == {"watching": 1, "missing": missing}


def test_a_watched_task_tells_its_next_request_and_an_ended_one_its_outcome(console: Console, clock: Clock) -> None:
    console.post("/tasks", {"task_id": "a", "family": "music"})
    watching = {
        "state": "watching",
        "family": "music",
        "purpose": "watch",
        "since": "2027-01-15T08:00:00.000+00:00",
        "requests": 0,
        "next_request": "2027-01-15T08:00:30.000+00:00",
        "outcome": None,
        "reason": None,
    }
    assert console.get("/tasks/a").json == {"task_id": "a", "watch": watching, "status": None}
    clock.advance(30)
    console.watches.take()
    console.watches.end("a", "gone", "unknown_task")
    ended = watching | {
        "state": "ended", "requests": 1, "next_request": None, "outcome": "gone", "reason": "unknown_task",
    }  # fmt: skip
    assert console.get("/tasks/a").json["watch"] == ended


def test_a_task_that_is_recorded_tells_its_status(console: Console, context: WorkerContext, payload: Payload) -> None:
    ingest(context, json.dumps(payload("video")), START)
    answer = console.get("/tasks/taskId_c20ad4d76fe9")
    assert answer.json == {"task_id": "taskId_c20ad4d76fe9", "watch": None, "status": "transferring"}


def test_a_task_of_which_nothing_is_known_is_404_and_an_unsafe_id_400(console: Console) -> None:
    assert console.get("/tasks/none").json["error"] == "unknown_task"
    for unsafe in ("a b", "_inbox", "%C3%A9", "x" * 129):
        answer = console.get(f"/tasks/{unsafe}")
        assert (answer.status_code, answer.json["error"]) == (400, "bad_task_id")


def test_without_redis_nothing_is_promised(console: Console) -> None:
    console.kill_redis()
    for answer in (console.post("/tasks", {"task_id": "a"}), console.get("/tasks/a")):
        assert (answer.status_code, answer.json["error"]) == (503, "redis_unavailable")
        assert answer.headers["Retry-After"]
