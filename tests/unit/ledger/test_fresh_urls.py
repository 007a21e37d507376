"""A later callback gives an asset a new URL."""

import pytest

from tests.conftest import Payload
from tests.unit.conftest import START, at
from tests.unit.ledger.steps import VIDEO, fail, record, take, with_url
from workers.callbacks.assets import AssetId
from workers.errors import FreshUrlError
from workers.ledger.ledger import Ledger
from workers.ledger.values.facts import ObjectFacts


def test_a_later_callback_refreshes_the_url_of_what_is_not_archived_and_has_it_tried_at_once(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    ledger.postpone(take(ledger, "one"), "gone", streak=3, until=START + 5000)
    refreshed = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"), now=START + 10)
    assert refreshed.ready == {"urgent": 0, "assets": 1}
    lease = take(ledger, "two", now=START + 11)
    assert (lease.url, lease.streak) == ("http://origin.test/fresh.mp4", 0)


def test_a_later_callback_revives_what_was_rejected_but_only_with_another_url(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "rejected", reason="gone")
    assert record(ledger, payload("video")).ready == {"urgent": 0, "assets": 0}
    revived = record(ledger, with_url(payload("video"), "http://origin.test/fresh.mp4"))
    assert (revived.ready["assets"], revived.open) == (1, 1)


def test_a_later_callback_never_touches_what_is_archived(ledger: Ledger, payload: Payload) -> None:
    record(ledger, payload("video"))
    facts = ObjectFacts(1, "video/mp4", sha256="abc")
    at(ledger, START).settle(VIDEO, take(ledger, "one").owner, "archived", facts=facts)
    before = ledger.asset(VIDEO)
    assert record(ledger, with_url(payload("video"), "http://evil.test/other.mp4")).ready == {"urgent": 0, "assets": 0}
    assert ledger.asset(VIDEO) == before


def test_a_url_gives_way_to_one_of_a_later_stage_or_arrival_and_to_no_other(ledger: Ledger, payload: Payload) -> None:
    asset = AssetId("b1946ac92492d2347c6235b4d2611184", "7d1f3c52-0b7e-4e58-9a53-1f4a2c6d8e01/cover")

    def url_after(name: str, host: str, now: float) -> str:
        record(ledger, payload(name, f"http://{host}.test"), now=now)
        return (ledger.asset(asset).url or "").split("/")[2]

    assert url_after("music_first", "first", START) == "first.test"
    assert url_after("music_complete", "complete", START + 10) == "complete.test"
    assert url_after("music_first", "late-first", START + 20) == "complete.test"
    assert url_after("music_complete", "drained-late", START + 5) == "complete.test"
    assert url_after("music_complete", "again", START + 30) == "again.test"


def test_a_fresh_url_that_comes_during_an_attempt_is_tried_when_the_old_one_gives_up(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = take(ledger, "one")
    fresh = payload("video", "http://fresh.test")
    record(ledger, fresh, now=START + 1)
    with pytest.raises(FreshUrlError):
        fail(ledger, lease)
    assert at(ledger, START + 2).make_ready(VIDEO) == "assets"
    again = take(ledger, "two", now=START + 3)
    assert again.url == fresh["data"]["video_url"]
    fail(ledger, again)
    assert ledger.asset(VIDEO).state == "rejected"


def test_a_fresh_url_that_comes_during_an_attempt_does_not_wait_for_the_old_ones_backoff(
    ledger: Ledger, payload: Payload
) -> None:
    record(ledger, payload("video"))
    lease = take(ledger, "one")
    record(ledger, payload("video", "http://fresh.test"), now=START + 1)
    ledger.postpone(lease, "gone", streak=1, until=START + 900)
    assert at(ledger, START + 2).due(limit=10) == [str(VIDEO)]
    assert at(ledger, START + 2).make_ready(VIDEO) == "assets"
