"""``stemvault watch`` registers tasks; ``status`` and the metrics tell of them."""

import io
from collections.abc import Callable
from types import SimpleNamespace

import fakeredis
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from app.cli import watch as command
from app.cli.status.watched import described_watch, show_watched
from app.cli.watch import watch_tasks
from app.ingress.metrics import LedgerCollector
from config.settings import Settings
from tests.conftest import MakeSettings
from workers.ledger.ledger import Ledger
from workers.liveness.signs_of_life import CLOCK, WORKER, SignsOfLife
from workers.watching.watches import Watches, open_watches

Watch = Callable[..., tuple[bool, str]]


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(PROVIDER_BASE_URL="https://api.provider.test", PROVIDER_API_KEY="secret-key")


@pytest.fixture
def watches(redis: fakeredis.FakeRedis, settings: Settings) -> Watches:
    return open_watches(redis, settings)


@pytest.fixture
def watch(redis: fakeredis.FakeRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(command, "open_ledger", lambda _: Ledger(redis))

    def run(*tasks: str, family: str = "", stdin: bytes = b"", own: Settings = settings) -> tuple[bool, str]:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        console = Console(record=True, width=200, file=io.StringIO())
        return watch_tasks(console, own, tasks, family=family), console.export_text()

    return run


def test_named_tasks_are_asked_about_after_the_interval(watch: Watch, watches: Watches) -> None:
    good, told = watch("a", "b", family="wav")
    assert good
    assert "a: watched as wav" in told
    assert "2 watched: the provider is asked in 30 s" in told
    assert [(each.family, each.purpose) for each in watches.states(["a", "b"]) if each] == [("wav", "watch")] * 2
    assert {at - watches.turns.now() for _, at in watches.next_ones(5)} == {30}


def test_tasks_on_standard_input_are_watched_and_each_that_cannot_be_is_told(watch: Watch, watches: Watches) -> None:
    good, told = watch(
        "-", stdin=b'{"task_id": "a", "family": "music"}\n{"task_id": "b", "family": "opera"}\n../c\nd\n'
    )
    assert not good
    assert "line 2: 'opera' is no family; the families are music" in told
    assert "line 3: '../c' is not a task id" in told
    assert [each.family if each else None for each in watches.states("abcd")] == ["music", None, None, ""]


def test_watch_names_missing_settings_workers_and_clocks(
    watch: Watch, redis: fakeredis.FakeRedis, make_settings: MakeSettings
) -> None:
    good, told = watch("a", own=make_settings())
    assert not good
    assert "STEMVAULT_PROVIDER_BASE_URL and STEMVAULT_PROVIDER_API_KEY are not set" in told
    good, told = watch("a", own=make_settings(PROVIDER_BASE_URL="https://api.provider.test"))
    assert "STEMVAULT_PROVIDER_API_KEY is not set" in told
    assert ("No worker runs" in told, "No clock" in told) == (True, True)
    signs = SignsOfLife(redis)
    signs.give(WORKER, "w")
    signs.give(CLOCK, "c")
    good, told = watch("a")
    assert (good, "No worker runs" in told, "No clock" in told) == (True, False, False)


def test_status_shows_watched_tasks_the_pause_and_how_watches_ended(
    redis: fakeredis.FakeRedis, settings: Settings, watches: Watches
) -> None:
    def told() -> str:
        console = Console(record=True, width=200, file=io.StringIO())
        show_watched(console, settings, redis, Ledger(redis).counters(), lambda seconds: f"{seconds:g} s")
        return console.export_text()

    assert told() == ""
    watches.add("a", "music", "watch", after=30)
    watches.add("b", "", "backfill")
    watches.end("b", "gone", "unknown_task")
    watches.turns.pause("maintenance", "455", seconds=300, sent_at=watches.turns.now())
    text = told()
    assert "Watched tasks: 1   Watches that have ended: gone unknown_task 1" in text
    assert "The provider is not asked: maintenance (455) since 2027-01-15 08:00:00 UTC" in text
    assert [cell.strip() for cell in text.splitlines()[-2].strip("│").split("│")] == [
        "a",
        "music",
        "watch",
        "0",
        "30 s",
    ]


def test_status_tells_of_a_task_that_has_no_record_yet(
    redis: fakeredis.FakeRedis, settings: Settings, watches: Watches
) -> None:
    def told(task_id: str) -> str:
        return described_watch(settings, redis, task_id, lambda seconds: f"{seconds:g} s")

    watches.add("a", "music", "watch")
    watches.add("b", "music", "watch")
    watches.end("b", "gone", "unknown_task")
    assert told("a").startswith("Task a has been watched for 0 s: the provider was asked 0 times")
    assert told("b").endswith("its watch ended as gone (unknown_task).")
    assert told("c") == ""


def test_metrics_count_watched_tasks_and_how_watches_ended(redis: fakeredis.FakeRedis, watches: Watches) -> None:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(redis, None))

    def lines() -> set[str]:
        return set(generate_latest(registry).decode().splitlines())

    watches.add("a", "music", "watch")
    watches.add("b", "music", "watch")
    watches.end("b", "settled", "answer")
    assert {"stemvault_watched_tasks 1.0", 'stemvault_provider_paused{reason=""} 0.0'} <= lines()
    assert 'stemvault_watches_total{outcome="settled",reason="answer"} 1.0' in lines()
    watches.turns.pause("wrong_key", "", seconds=600, sent_at=watches.turns.now())
    assert 'stemvault_provider_paused{reason="wrong_key"} 1.0' in lines()
