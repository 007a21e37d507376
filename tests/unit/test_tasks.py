"""Celery learns only that a task has ended; a task's errors are logged."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from workers.errors import TransientError
from workers.ledger.ledger import Ledger
from workers.liveness.signs_of_life import POLL, SignsOfLife

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> "ModuleType":
    for name, value in {"REDIS_URL": "redis://127.0.0.1:1/0", "S3_BUCKET": "bucket", "ALLOW_UNSIGNED": "true"}.items():
        monkeypatch.setenv(f"STEMVAULT_{name}", value)
    from workers import tasks  # noqa: PLC0415 - it reads its settings when it is imported

    return tasks


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RedisConnectionError("refused"), ("broker_away", "ConnectionError")),
        (TransientError("store_unavailable"), ("work_postponed", "store_unavailable")),
        (ZeroDivisionError(), ("work_crashed", "")),
    ],
    ids=["broker away", "bucket away", "crash"],
)
@pytest.mark.parametrize("name", ["ingest_callback", "archive_assets", "archive_suspects", "sweep", "drain_inbox"])
def test_an_error_is_logged_and_does_not_leave_its_pool_process(
    tasks: "ModuleType", name: str, error: Exception, told: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(tasks, "context", fail)
    with capture_logs() as logs:
        getattr(tasks, name).run()
    assert [(line["event"], line.get("error") or line.get("reason", ""), line["work"]) for line in logs] == [
        (*told, name)
    ]


@pytest.mark.parametrize("provider", [None, object()])
def test_only_a_worker_that_can_ask_the_provider_gives_a_sign_that_it_was_woken_to_ask(
    tasks: "ModuleType", monkeypatch: pytest.MonkeyPatch, ledger: Ledger, provider: object
) -> None:
    polls: list[object] = []
    context = SimpleNamespace(ledger=ledger, provider=provider)
    monkeypatch.setattr(tasks, "context", lambda: context)
    monkeypatch.setattr(tasks, "poll", polls.append)
    monkeypatch.setattr(
        tasks, "_slots", lambda: SimpleNamespace(polls=SimpleNamespace(held=lambda: nullcontext(False)))
    )
    tasks.poll_tasks.run()
    assert SignsOfLife(ledger.redis).since(POLL) == (0 if provider else None), "also while another process asks"
    assert polls == []


def _context(called: list[str], *, stops: bool = False) -> SimpleNamespace:
    wake_ups = SimpleNamespace(send=lambda queue, _: called.append(queue))
    return SimpleNamespace(must_stop=lambda: stops, wake_ups=wake_ups, fullness=lambda: 0.0)


@pytest.mark.parametrize(
    ("stops", "turn", "left", "calls"), [(False, 60, 0, []), (False, 0, 4, ["callbacks"]), (True, 60, 5, [])]
)
def test_a_wake_up_lasts_while_there_is_work_for_a_turn_and_not_into_a_shutdown(
    tasks: "ModuleType", monkeypatch: pytest.MonkeyPatch, stops: bool, turn: float, left: int, calls: list[str]
) -> None:
    called: list[str] = []
    things = [*range(5)]
    monkeypatch.setattr(tasks, "context", lambda: _context(called, stops=stops))
    monkeypatch.setattr(tasks, "TURN", turn)
    monkeypatch.setattr(tasks, "ingest_next", lambda _: things.pop() is not None if things else False)
    tasks.ingest_callback.run()
    assert (len(things), called) == (left, calls)
