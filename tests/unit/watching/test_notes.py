"""A submitted task that came through the inbox is watched as if Redis had taken it at once."""

import json

import pytest

from tests.unit.conftest import START, Clock
from workers.callbacks import parse_body, parse_callback
from workers.context import WorkerContext
from workers.ingest import ingest, ingest_next
from workers.provider.families import FAMILIES
from workers.watching.notes import note_of, read_note


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_a_note_says_task_and_family(family: str) -> None:
    assert read_note(note_of("a*b.c", family)) == ("a*b.c", family)


def test_a_note_that_was_drained_makes_a_watch_and_no_record(context: WorkerContext, clock: Clock) -> None:
    context.received.put(note_of("a", "separation"), START)
    clock.advance(60)
    assert ingest_next(context)
    watch = next(context.watches.states(["a"]))
    assert watch is not None
    assert (watch.family, watch.purpose) == ("separation", "watch")
    assert context.watches.next_ones(1) == [("a", START + 60 + context.watches.interval)]
    assert context.ledger.snapshot("a") is None
    assert context.received.waiting() == 0


def test_a_family_of_a_later_version_is_found_by_asking() -> None:
    assert read_note(note_of("a", "holograms")) == ("a", "")


@pytest.mark.parametrize(
    "body",
    [
        note_of("a", "music") + " ",
        note_of("../a", "music"),
        note_of("a", "music").replace("null", '["http://origin.test/a.mp3"]'),
        '{"submitted": {"family": "',
        json.dumps({"submitted": {"family": "music"}, "data": {"taskId": "a"}}),
        json.dumps({"code": 200, "data": {"taskId": "a"}}),
    ],
)
def test_every_other_body_is_a_callback(body: str) -> None:
    assert read_note(body) is None


def test_a_callback_with_a_file_is_recorded_whatever_it_begins_with(context: WorkerContext) -> None:
    body = note_of("a", "music").replace("null", json.dumps('{"resultUrls":["https://cdn.example/a.mp3"]}'))
    ingest(context, body, START)
    snapshot = context.ledger.snapshot("a")
    assert snapshot is not None
    assert len(snapshot.assets) == 1


def test_an_earlier_version_reads_a_note_as_a_job_that_waits() -> None:
    callback = parse_callback(parse_body(note_of("a", "music")))
    assert (callback.task_id, callback.family, callback.stage, callback.assets) == ("a", "jobs", "pending", ())
