"""The story of an asset whose source fails: bad answers, limits, redirects, and transfers that break."""

import json
import time
from dataclasses import replace

import pytest
import requests

from tests.conftest import Payload
from tests.origin import Answer, Origin, film
from tests.unit.conftest import Clock, Sent
from tests.unit.reading import PART
from tests.unit.story import GOOD, PATH, VIDEO, run, state, stored
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.ingest import ingest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Answer(GOOD, announced=len(GOOD) + 1), "truncated"),
        (Answer(GOOD, announced=PART), "overlong"),
        (Answer(GOOD, announced=3000), "overlong"),
        (Answer(GOOD, cut_at=PART + 7), "truncated"),
        (Answer(GOOD, cut_at=7), "truncated"),
        (Answer(GOOD, chunked=True, cut_at=PART + 7), "truncated"),
        (Answer(GOOD, gzipped=True, cut_at=1000), "truncated"),
        (Answer(b"<html>come back later</html>"), "not_media"),
        (Answer(b""), "empty"),
        (Answer(GOOD, headers={"Content-Encoding": "br"}), "undecodable"),
        (Answer(GOOD, headers={"Content-Encoding": "gzip"}), "undecodable"),
        (Answer(b"no", status=403), "gone"),
        (Answer(b"no", status=404), "gone"),
        (Answer(b"no", status=410), "gone"),
        (Answer(b"no", status=429, headers={"Retry-After": "120"}), "rate_limited"),
        (Answer(b"no", status=503), "origin_error"),
        (Answer(b"no", status=204), "refused"),
        (Answer(b"no", status=206), "refused"),
        (Answer(b"", status=302), "refused"),
    ],
)
def test_a_bad_answer_is_never_stored_and_the_next_good_one_is(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, bad: Answer, reason: str
) -> None:
    origin.serve(PATH, bad, GOOD)
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) is None
    assert state(context) == ("pending", reason)
    assert context.store.client.list_multipart_uploads(Bucket="vault").get("Uploads", []) == []
    clock.advance(3600)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_above_the_size_limit_is_rejected_with_or_without_an_announced_length(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, announced: bool
) -> None:
    settings = context.settings.model_copy(update={"max_asset_bytes": len(GOOD) - 1})
    small = WorkerContext(**{**vars(context), "settings": settings})
    origin.serve(PATH, Answer(GOOD, chunked=not announced))
    ingest(small, body, clock())
    run(small, sent)
    assert state(context) == ("rejected", "too_large")
    assert stored(context) is None


@pytest.mark.slow
def test_a_gzip_bomb_counts_by_what_it_expands_to(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    settings = context.settings.model_copy(update={"max_asset_bytes": 6 * PART})
    small = WorkerContext(**{**vars(context), "settings": settings})
    origin.serve(PATH, Answer(film(0) + bytes(12 * PART), gzipped=True))
    ingest(small, body, clock())
    run(small, sent)
    assert state(context) == ("rejected", "too_large")


@pytest.mark.slow
@pytest.mark.parametrize(("allowed", "expected"), [(0.5, ("pending", "slow")), (60.0, ("archived", None))])
def test_a_source_that_drips_is_cut_off_by_the_time_for_one_transfer(
    context: WorkerContext,
    clock: Clock,
    sent: Sent,
    origin: Origin,
    body: str,
    allowed: float,
    expected: tuple[str, str | None],
) -> None:
    """The monotonic clock is real: the source sends without a pause, for at least two seconds."""
    settings = context.settings.model_copy(update={"transfer_timeout": allowed})
    patient = WorkerContext(**{**vars(context), "settings": settings, "monotonic": time.monotonic})
    origin.serve(PATH, Answer(GOOD, piece=len(GOOD) // 200, pause=0.01))
    ingest(patient, body, clock())
    run(patient, sent)
    assert state(context) == expected


@pytest.mark.slow
def test_a_source_that_falls_silent_is_cut_off(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.source.opening.READ_TIMEOUT", 0.3)
    origin.serve(PATH, Answer(GOOD, stall_at=PART), GOOD)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "stalled")


def test_a_source_that_cannot_be_reached_is_tried_again(
    context: WorkerContext, clock: Clock, sent: Sent, payload: Payload
) -> None:
    ingest(context, json.dumps(payload("video", "http://127.0.0.1:1")), clock())
    run(context, sent)
    assert state(context) == ("pending", "unreachable")


@pytest.mark.slow
def test_redirects_are_followed_five_times_and_no_further(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    def chain(length: int) -> None:
        for hop in range(length):
            origin.serve(PATH if hop == 0 else f"/hop{hop}", Answer(status=302, headers={"Location": f"/hop{hop + 1}"}))
        origin.serve(f"/hop{length}", GOOD)

    chain(6)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("rejected", "too_many_redirects")
    chain(5)
    refreshed = json.loads(body)
    refreshed["data"]["video_url"] += "?again"
    ingest(context, json.dumps(refreshed), clock())
    run(context, sent)
    assert stored(context) == GOOD


@pytest.mark.parametrize("headers", [{f"X-{n}": "x" for n in range(200)}, {"X-Long": "x" * 100_000}])
def test_an_answer_with_too_many_or_too_long_headers_is_not_stored(
    context: WorkerContext, sent: Sent, clock: Clock, body: str, origin: Origin, headers: dict[str, str]
) -> None:
    origin.serve(PATH, Answer(GOOD, headers=headers))
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "unreachable")
    assert stored(context) is None


def test_proxies_and_netrc_of_the_environment_are_ignored(context: WorkerContext) -> None:
    assert isinstance(context.session, requests.Session)
    assert not context.session.trust_env


@pytest.mark.slow
def test_a_transfer_that_breaks_goes_on_where_it_broke_when_the_source_proves_it_is_the_same_file(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    broken = [Answer(GOOD, etag='"v1"', cut_at=cut) for cut in (PART + 7, PART // 2, 1000)]
    origin.serve(PATH, *broken, Answer(GOOD, etag='"v1"'))
    ingest(context, body, clock())
    run(context, sent)
    assert stored(context) == GOOD
    assert context.ledger.asset(VIDEO).attempts == 1
    asked = [headers.get("Range") for _, headers in origin.requests]
    assert asked[0] is None
    starts = [int((wanted or "")[6:-1]) for wanted in asked[1:]]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (Answer(GOOD, cut_at=PART), Answer(GOOD)),
        (Answer(GOOD, etag='W/"v1"', cut_at=PART), Answer(GOOD, etag='W/"v1"')),
        (Answer(GOOD, etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"', ranges=False)),
        (Answer(GOOD[::-1], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v2"')),
        (Answer(GOOD[::-1], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v2"', believes_any=True)),
        (Answer(GOOD[: 2 * PART], etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"')),
        (Answer(GOOD, etag='"v1"', gzipped=True, cut_at=5000), Answer(GOOD, etag='"v1"')),
    ],
    ids=["no_validator", "weak_etag", "no_ranges", "changed", "changed_and_careless", "other_length", "encoded"],
)
def test_a_transfer_that_breaks_starts_over_when_nothing_proves_that_it_is_the_same_file(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str, first: Answer, then: Answer
) -> None:
    if first.body[:8] != GOOD[:8]:
        first = replace(first, body=GOOD[:PART] + first.body[PART:])
    origin.serve(PATH, first, then)
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "truncated")
    clock.advance(60)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def test_a_source_that_breaks_at_the_same_byte_again_and_again_is_left_for_later(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(GOOD, etag='"v1"', cut_at=PART), Answer(GOOD, etag='"v1"', cut_at=0))
    ingest(context, body, clock())
    run(context, sent)
    assert state(context) == ("pending", "truncated")
    assert len(origin.requests) <= 4
