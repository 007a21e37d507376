"""Partial files: short audio is kept, and stored at last if no longer file comes."""

import json
from typing import Any

import pytest

from tests.origin import Answer, Origin, song
from tests.unit.conftest import START, Clock, Sent
from tests.unit.story import CUT, TRACK, TRACK_KEY, WHOLE, announce, partials, run, state, stored, track_in_manifest
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.ledger.assets import FINAL_SECONDS
from workers.ledger.backoff import ATTEMPTS


def assert_ended_with_the_part(context: WorkerContext) -> None:
    assert stored(context, TRACK_KEY) == CUT
    found = track_in_manifest(context)
    assert (found["state"], found["error"]) == ("archived", None)
    assert (found["seconds"], found["announced_seconds"]) == (183.375, 198.44)
    assert found["notes"] == ["short: 183.4 s of 198.4 s announced"]
    assert context.ledger.counters()["short_audio||"] == 1
    assert context.ledger.counters()["assets|archived|"] == 1


@pytest.mark.slow
def test_short_audio_is_not_mistaken_for_the_song_and_the_whole_one_is_stored_later(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    shorter = song("whole", 80)
    origin.serve("/song.mp3", CUT, shorter, WHOLE)
    ingest(context, announce(origin), clock())
    for _ in range(2):
        run(context, sent)
        assert state(context, TRACK) == ("pending", "short")
        assert stored(context, TRACK_KEY) is None
        assert stored(context, f"_partial/{TRACK_KEY}") == CUT
        assert context.ledger.asset(TRACK).seconds == 183.375
        clock.advance(120)
        sweep(context)
    run(context, sent)
    assert stored(context, TRACK_KEY) == WHOLE
    assert partials(context) == []
    assert track_in_manifest(context)["notes"] == []
    assert "short_audio||" not in context.ledger.counters()


def test_a_part_that_was_kept_when_its_worker_had_to_end_is_known_to_the_next_one(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve("/song.mp3", CUT, song("shorter", 5))
    ingest(context, announce(origin), clock())
    stopping: list[bool] = []
    with monkeypatch.context() as patch:
        write_text = context.store.write_text

        def write_and_end(*args: Any, **kwargs: Any) -> None:
            write_text(*args, **kwargs)
            stopping.append(True)

        patch.setattr(context.store, "write_text", write_and_end)
        run(WorkerContext(**{**vars(context), "must_stop": lambda: bool(stopping)}), sent)
    assert context.ledger.asset(TRACK).seconds == 183.375
    clock.advance(120)
    sweep(context)
    run(context, sent)
    assert stored(context, f"_partial/{TRACK_KEY}") == CUT


@pytest.mark.slow
def test_audio_that_stays_short_is_stored_at_last_and_marked_and_counted(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(5000)
        sweep(context)
    assert origin.count("/song.mp3") == ATTEMPTS["short"]
    assert_ended_with_the_part(context)
    assert partials(context) == []


@pytest.mark.slow
def test_short_audio_is_stored_before_its_deadline_passes(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    expiry = int(clock() + 200)
    ingest(context, announce(origin, path=f"/song.mp3?Expires={expiry}"), clock())
    while stored(context, TRACK_KEY) is None:
        assert clock() < expiry
        run(context, sent)
        clock.advance(5)
        sweep(context)
    assert state(context, TRACK) == ("archived", None)
    assert track_in_manifest(context)["notes"]


@pytest.mark.slow
def test_a_url_that_dies_while_more_is_hoped_for_leaves_what_came_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, Answer(status=404))
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(2000)
        sweep(context)
    assert_ended_with_the_part(context)
    assert partials(context) == []


@pytest.mark.slow
@pytest.mark.parametrize("away", [True, False])
def test_a_deadline_that_passes_with_no_worker_there_leaves_what_came_before(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, away: bool
) -> None:
    origin.serve("/song.mp3", CUT)
    ingest(context, announce(origin, path=f"/song.mp3?Expires={int(clock() + 200)}"), clock())
    run(context, sent)
    clock.advance(500)
    sweep(context)
    if away:
        # The partial file is stored even if the bucket is away for long.
        bucket = context.store.bucket
        context.store.bucket = "elsewhere"
        for _ in range(3):
            run(context, sent)
            clock.advance(FINAL_SECONDS)
            sweep(context)
        context.store.bucket = bucket
        clock.advance(2000)
        sweep(context)
    run(context, sent)
    assert origin.count(f"/song.mp3?Expires={int(START + 200)}") == 1
    assert_ended_with_the_part(context)


@pytest.mark.slow
def test_the_longest_of_several_partial_files_is_stored_in_the_end(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, *[song("shorter", 5)] * 9)
    ingest(context, announce(origin), clock())
    for _ in range(20):
        run(context, sent)
        clock.advance(5000)
        sweep(context)
    assert_ended_with_the_part(context)


@pytest.mark.slow
def test_a_partial_file_that_was_deleted_ends_its_asset_and_nothing_else(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT, Answer(status=404))
    ingest(context, announce(origin), clock())
    run(context, sent)
    context.store.delete(f"_partial/{TRACK_KEY}")
    for _ in range(20):
        clock.advance(2000)
        sweep(context)
        run(context, sent)
    assert state(context, TRACK) == ("rejected", "part_gone")


def test_how_long_a_track_is_may_be_told_after_its_stream_was_taken(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin
) -> None:
    origin.serve("/song.mp3", CUT)
    first = json.loads(announce(origin, None))
    first["data"]["callbackType"] = "first"
    ingest(context, json.dumps(first), clock())
    run(context, sent)
    found = track_in_manifest(context)
    assert (found["state"], found["seconds"], found["announced_seconds"], found["notes"]) == (
        "archived", 183.375, None, [],
    )  # fmt: skip
    clock.advance(20)
    ingest(context, announce(origin), clock())
    assert_ended_with_the_part(context)
    assert origin.count("/song.mp3") == 1
