"""``stemvault backfill``: what is alive is archived, what is there is skipped, and it can be stopped at any time."""

import io
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from app.cli.backfill.command import Backfill, known_status
from app.cli.backfill.pauses import KEY_PATIENCE, ProviderRefusesError
from app.cli.backfill.rounds import MAX_UNASKED, Parts
from tests.origin import Answer, Origin, film
from tests.unit.cli.memory import tracing
from tests.unit.conftest import Clock, Sent
from tests.unit.polling.scripted import Scripted, video_answer, video_state, with_provider
from tests.unit.story import run
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.errors import TransientError
from workers.polling.poll import poll
from workers.provider.errors import MaintenanceError, WrongKeyError


@dataclass
class Fleet:
    """A worker and a clock in this process. Called in place of the command's sleep, they work while the time passes."""

    context: WorkerContext
    clock: Clock
    sent: Sent
    pace: float = 1.0
    """Seconds that pass for each second that the command sleeps."""

    def __call__(self, seconds: float) -> None:
        self.clock.advance(seconds * self.pace)
        poll(self.context, sleep=self.clock.advance)
        sweep(self.context)
        run(self.context, self.sent)


@pytest.fixture
def provider() -> Scripted:
    return Scripted()


@pytest.fixture
def context(context: WorkerContext, provider: Scripted) -> WorkerContext:
    return with_provider(context, provider)


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200, file=io.StringIO())


@pytest.fixture
def fleet(context: WorkerContext, clock: Clock, sent: Sent) -> Fleet:
    return Fleet(context, clock, sent)


@pytest.fixture
def parts(context: WorkerContext) -> Iterator[Parts]:
    with ThreadPoolExecutor(8) as threads:
        status = partial(known_status, context.settings, context.ledger, context.store)
        yield Parts(context.ledger, context.watches, context.wake_ups, status, threads)


@pytest.fixture
def report() -> list[str]:
    return []


@pytest.fixture
def backfill(console: Console, parts: Parts, report: list[str], fleet: Fleet, clock: Clock) -> Backfill:
    return Backfill(console, parts, report.append, sleep=fleet, monotonic=clock)


def outcomes(report: Iterable[str]) -> dict[str, str]:
    told: list[dict[str, Any]] = [json.loads(line) for line in report]
    assert len({each["line"] for each in told}) == len(told)
    return {each["task_id"]: each["outcome"] for each in told if each["task_id"]}


def offer(provider: Scripted, origin: Origin, *tasks: str) -> None:
    """Have the provider know finished videos."""
    for task in tasks:
        url = origin.serve(f"/{task}.mp4", film(1000))
        provider.answers["video", task] = video_answer(url, task)


@pytest.mark.slow
def test_every_task_gets_its_outcome_and_what_is_alive_is_archived(
    backfill: Backfill, fleet: Fleet, provider: Scripted, origin: Origin, report: list[str], console: Console
) -> None:
    fleet.pace = 600
    offer(provider, origin, "alive", "dead")
    origin.serve("/dead.mp4", Answer(status=302, headers={"Location": "ftp://elsewhere/"}))
    provider.answers["video", "broken"] = video_state("GENERATE_MP4_FAILED", "broken")
    provider.answers["video", "slow"] = video_state("PENDING", "slow")
    source = io.BytesIO(b"task_id,family\nalive,video\ndead,video\nbroken,video\nslow,video\nnever,video\n?,video\n")
    assert backfill.run(source) == 1
    assert outcomes(report) == {
        "alive": "archived", "dead": "incomplete", "broken": "failed", "slow": "given_up", "never": "gone",
    }  # fmt: skip
    assert fleet.context.store.read_text("alive/alive_video.mp4") == film(1000)
    told = console.export_text()
    assert "line 7: '?' is not a task id" in told
    assert "of 5 tasks done" in told
    assert "      1  gone: " in told


@pytest.mark.slow
def test_a_list_of_which_nothing_is_missing_ends_well(
    backfill: Backfill, provider: Scripted, origin: Origin, report: list[str]
) -> None:
    offer(provider, origin, "a", "b")
    provider.answers["video", "broken"] = video_state("GENERATE_MP4_FAILED", "broken")
    assert backfill.run(io.BytesIO(b"a\nb\na\nbroken\n"), family="video") == 0
    assert outcomes(report) == {"a": "archived", "b": "archived", "broken": "failed"}


@pytest.mark.slow
@pytest.mark.parametrize("forgotten", [False, True], ids=["in_redis", "in_the_bucket"])
def test_a_backfill_neither_polls_nor_downloads_finished_tasks(
    backfill: Backfill, context: WorkerContext, provider: Scripted, origin: Origin, report: list[str],
    *, forgotten: bool,
) -> None:  # fmt: skip
    offer(provider, origin, "a", "b")
    provider.answers["video", "c"] = video_state("GENERATE_MP4_FAILED", "c")
    assert backfill.run(io.BytesIO(b"a\nb\nc\n"), family="video") == 0
    asked, fetched = list(provider.asked), len(origin.requests)
    if forgotten:
        context.ledger.redis.flushall()
    report.clear()
    assert backfill.run(io.BytesIO(b"a\nb\nc\n"), family="video") == 0
    assert outcomes(report) == {"a": "already_there", "b": "already_there", "c": "failed"}
    assert (provider.asked, len(origin.requests)) == (asked, fetched)


@pytest.mark.slow
def test_a_stopped_backfill_continues_when_it_is_run_again(
    backfill: Backfill, parts: Parts, provider: Scripted, origin: Origin, report: list[str], fleet: Fleet, clock: Clock
) -> None:
    tasks = [f"t{number}" for number in range(20)]
    offer(provider, origin, *tasks)
    text = "\n".join(tasks).encode()

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    stopped = Backfill(Console(file=io.StringIO()), parts, report.append, sleep=interrupted, monotonic=clock)
    assert stopped.run(io.BytesIO(text), family="video") == 130
    assert set(outcomes(report).values()) == {"unfinished"}
    report.clear()
    fleet(1)
    assert backfill.run(io.BytesIO(text), family="video") == 0
    assert set(outcomes(report).values()) == {"already_there"}
    assert set(provider.times().values()) == {1}


@pytest.mark.slow
def test_at_most_some_tasks_wait_for_the_provider_at_once(
    parts: Parts, context: WorkerContext, report: list[str], clock: Clock
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    tasks = "\n".join(f"t{number}" for number in range(3 * MAX_UNASKED))
    file = io.StringIO()
    stopped = Backfill(Console(file=file), parts, report.append, sleep=interrupted, monotonic=clock)
    stopped.run(io.BytesIO(tasks.encode()))
    assert f"{2 * MAX_UNASKED}  not reached" in file.getvalue()
    assert context.watches.number() == MAX_UNASKED
    assert list(outcomes(report)) == [f"t{number}" for number in range(MAX_UNASKED)]


def test_a_wrong_key_ends_it_with_the_way_out(
    backfill: Backfill, provider: Scripted, report: list[str], clock: Clock
) -> None:
    provider.answers["video", "a"] = WrongKeyError("401")
    began = clock()
    with pytest.raises(ProviderRefusesError, match="PROVIDER_API_KEY"):
        backfill.run(io.BytesIO(b"a"), family="video")
    assert clock() - began < KEY_PATIENCE + 5
    assert outcomes(report) == {"a": "unfinished"}


@pytest.mark.slow
def test_a_backfill_reports_provider_maintenance_once_and_waits_for_its_end(
    backfill: Backfill, provider: Scripted, origin: Origin, clock: Clock, console: Console, fleet: Fleet
) -> None:
    provider.answers["video", "a"] = MaintenanceError("455")
    began = clock()
    fleet.pace = 10

    def work(seconds: float) -> None:
        if clock() > began + 1000:
            offer(provider, origin, "a")
        fleet(seconds)

    backfill._sleep = work  # noqa: SLF001 - the provider comes back during the run
    assert backfill.run(io.BytesIO(b"a"), family="video") == 0
    told = console.export_text()
    assert told.count("The provider is not asked: maintenance") == 1
    assert told.count("The provider answers again.") == 1


@pytest.mark.slow
def test_a_backfill_survives_a_short_bucket_outage_and_ends_in_a_long_one(
    console: Console, parts: Parts, provider: Scripted, origin: Origin, report: list[str], fleet: Fleet, clock: Clock
) -> None:
    offer(provider, origin, "a")
    back_at = clock() + 60

    def status(task_id: str) -> str | None:
        if clock() < back_at:
            raise TransientError("store_unavailable")
        return parts.status(task_id)

    away = Backfill(console, replace(parts, status=status), report.append, sleep=fleet, monotonic=clock)
    assert away.run(io.BytesIO(b"a"), family="video") == 0
    back_at = clock() + 10_000
    with pytest.raises(TransientError):
        away.run(io.BytesIO(b"b"), family="video")
    assert outcomes(report[1:]) == {"b": "unfinished"}


class OneByOne(Executor):
    """Makes no threads: with them, measuring the memory takes a minute."""

    def map(self, function: Any, *arguments: Any, **_: Any) -> Iterator[Any]:  # type: ignore[override]  # any function
        return map(function, *arguments)


@pytest.mark.slow
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_tasks(console: Console, parts: Parts, clock: Clock) -> None:
    number = 50_000

    class Tasks(io.BytesIO):
        """A list that is made when it is read."""

        made = 0

        def seekable(self) -> bool:
            return False

        def read1(self, _: int | None = -1, /) -> bytes:
            if self.made % 5000 == 0:
                held.measure()
            if self.made == number:
                return b""
            first, self.made = self.made, self.made + 1000
            return "".join(f"task-{each},music\n" for each in range(first, self.made)).encode()

    skipping = replace(parts, status=lambda _: "archived", threads=OneByOne())
    counted = iter(range(number + 1))
    with tracing() as held:
        status = Backfill(console, skipping, lambda _: next(counted), monotonic=clock).run(Tasks())
    assert (status, next(counted), held.times) == (0, number, 11)
    assert 1000 < held.most < 1_000_000
