"""Ready assets by source host."""

import time

import fakeredis
import pytest

from app.embedded.stack import embedded_stack
from config.layout import KeyLayout
from tests.unit.conftest import START
from tests.unit.ledger.steps import DEADLINE, record, song_at, take
from workers.callbacks import parse_callback
from workers.callbacks.assets import AssetId
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import READY, asset_key
from workers.ledger.values.lease import Lease


def test_a_host_that_has_its_share_is_passed_over_and_keeps_nobody_waiting(ledger: Ledger) -> None:
    for number in range(50):
        record(ledger, song_at("Slow.test:8080", f"slow{number}"))
    record(ledger, song_at("zippy.test", "fast"))
    first = take(ledger, "one")
    assert first.host == "slow.test:8080"
    lease = ledger.take(("urgent", "assets"), "two", passing_over=[first.host])
    assert lease
    assert lease.host == "zippy.test"
    assert ledger.take(("urgent", "assets"), "three", passing_over=[first.host]) is None
    assert ledger.ready() == {"urgent": 0, "assets": 49, "suspects": 0}
    assert ledger.in_flight() == 51


def test_an_asset_whose_fresh_url_is_at_another_host_waits_there_alone(
    ledger: Ledger, redis: fakeredis.FakeRedis
) -> None:
    record(ledger, song_at("old.test", "t"))
    record(ledger, song_at("new.test", "t"), now=START + 1)
    assert redis.zrange(READY["assets"], 0, -1) == ["new.test"]
    assert ledger.ready()["assets"] == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@Host.test:8443/a?b=http://other",
        "http://host.test?x",
        "ftp://h",
        "not a url",
        "http://[::1]:80/x",
        "",
        "http://1.2.3.4/x",
        "http://1.2.3.4..:80/x",
        "http://host.test:/x",
        "http://a:1:2x/",
        "http://host.test:123456789/x",
        "http://" + "a@" * 1000 + "h.test",
        "http://" + "é" * 300 + "/x",
    ],
)
def test_redis_and_python_read_the_same_host_from_a_url(ledger: Ledger, redis: fakeredis.FakeRedis, url: str) -> None:
    lease = Lease(AssetId("t", "x"), "o", url, "k", DEADLINE, 1, "", 0)
    redis.hset(asset_key(lease.id), mapping={"state": "pending", "deadline": DEADLINE, "url": url})
    assert ledger.make_ready(lease.id) == "assets"
    assert redis.zrange(READY["assets"], 0, -1) == [lease.host]


@pytest.mark.parametrize("host", ["slow.test", "SLOW.test", "slow.test:80", "slow.test.", "user@slow.test"])
def test_a_host_is_the_same_however_it_is_spelled(ledger: Ledger, host: str) -> None:
    record(ledger, song_at(host, "t"))
    assert ledger.take(("assets",), "one", passing_over=["slow.test"]) is None
    assert take(ledger, "two").host == "slow.test"


@pytest.mark.slow
@pytest.mark.parametrize("host", ["." * 10**6 + "a", ":1" * 500_000 + "x", "@a" * 500_000, "a" * 10**6, "1" * 10**6])
def test_no_url_blocks_redis_for_two_seconds(host: str) -> None:
    """With a real Redis, which runs one script at a time."""
    with embedded_stack({}) as stack:
        stack.start_redis()
        ledger = Ledger(stack.redis())
        callback = parse_callback(song_at(host, "t"))
        named = [(asset, asset.key(KeyLayout()), time.time() + 1000) for asset in callback.assets]
        began = time.monotonic()
        ledger.record(callback, "{}", named, received_at=time.time())
        lease = ledger.take(("urgent", "assets"), "one")
        assert lease
        assert len(lease.host.encode()) < 300
        assert time.monotonic() - began < 2
