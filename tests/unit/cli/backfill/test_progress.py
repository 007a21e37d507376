"""What is shown during a backfill, and told about the provider's pauses."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from app.cli.backfill.outcomes import Outcomes, report_to
from app.cli.backfill.progress import Pace, Standing, showing
from app.cli.task_lists.entries import Entry, Fault
from tests.unit.conftest import Clock
from workers.errors import StemvaultError


def test_the_time_left_is_counted_from_the_last_minute_alone(clock: Clock) -> None:
    pace = Pace()
    assert pace.rate(clock(), 0) == 0
    clock.advance(10)
    assert pace.rate(clock(), 4000) == 400  # tasks that were there already
    for done in range(4000, 4600, 5):
        clock.advance(1)
        rate = pace.rate(clock(), done)
    assert rate == 5
    text = Standing(done=4595, total=5195, asking=200, storing=3).text(rate)
    assert text == (
        "4,595 of 5,195 tasks done, 600 remaining, about 2 min left, 5.0 a second, asking about 200, storing 3"
    )


def test_without_a_terminal_there_is_a_line_every_few_seconds(clock: Clock) -> None:
    file = io.StringIO()
    with showing(Console(file=file), clock) as show:
        for done in range(20):
            show(Standing(done, None, 1, 0))
            clock.advance(1)
        moving = len(file.getvalue().splitlines())
        for _ in range(200):
            show(Standing(20, None, 1, 0))
            clock.advance(1)
    assert moving == 3
    assert file.getvalue().startswith("5 tasks done, 1.0 a second, asking about 1, storing 0\n")
    assert moving + 3 <= len(file.getvalue().splitlines()) <= moving + 30


def test_the_report_has_a_line_for_each_entry_and_is_complete_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    with report_to(str(path), source="-") as write:
        outcomes = Outcomes(write)
        outcomes.tell(Entry(1, "a", "music"), "archived")
        outcomes.tell_fault(Fault(2, "the same task as on line 1", is_duplicate=True))
        assert outcomes.is_complete
        outcomes.tell(Entry(3, "b", ""), "gone", "unknown_task")
        told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["line"], each["task_id"], each["outcome"]) for each in told] == [
        (1, "a", "archived"),
        (2, None, "duplicate"),
        (3, "b", "gone"),
    ]
    assert not outcomes.is_complete


def test_an_entry_that_cannot_be_used_is_missing() -> None:
    outcomes = Outcomes(lambda _: None)
    outcomes.tell_fault(Fault(2, "no task id"))
    assert not outcomes.is_complete


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    source = tmp_path / "ids.txt"
    source.write_text("a\n")
    with pytest.raises(StemvaultError, match="itself"), report_to(str(source), source=str(source)):
        pass
    assert source.read_text() == "a\n"
    with pytest.raises(StemvaultError, match="cannot be written"), report_to(str(tmp_path / "no" / "x"), source="-"):
        pass
