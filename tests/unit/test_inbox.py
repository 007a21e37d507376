"""What arrived while Redis was away, on its way back to where workers look for it."""

import itertools

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.unit.conftest import START, Clock, Sent
from workers import inbox
from workers.received import Received, ReceivedCallbacks
from workers.vault import Vault


def fill(vault: Vault, count: int) -> list[tuple[str, float]]:
    kept = [(f'{{"n": {number}}}', START - 100 + 0.125 + number) for number in range(count)]
    for body, received_at in kept:
        inbox.keep(vault.store, vault.settings.layout, body.encode(), received_at)
    return kept


def received(vault: Vault, clock: Clock) -> list[Received]:
    clock.advance(1000)
    return list(iter(vault.received.take, None))


def test_what_the_inbox_holds_is_received_as_of_its_arrival_and_workers_are_called(
    vault: Vault, clock: Clock, sent: Sent
) -> None:
    kept = fill(vault, inbox.BATCH + 3)
    clock.advance(1000)
    assert inbox.drain(vault) == len(kept)
    assert sent.take()[:1] == ["callbacks"]
    assert [(each.body, each.received_at) for each in received(vault, clock)] == kept
    assert inbox.drain(vault) == 0


def test_a_drain_that_breaks_off_loses_nothing(vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = fill(vault, 20)
    puts, put = itertools.count(), ReceivedCallbacks.put

    def put_five(self: ReceivedCallbacks, body: str, received_at: float) -> None:
        if next(puts) >= 5:
            raise RedisConnectionError
        put(self, body, received_at)

    with monkeypatch.context() as patch:
        patch.setattr(ReceivedCallbacks, "put", put_five)
        with pytest.raises(RedisConnectionError):
            inbox.drain(vault)
    inbox.drain(vault)
    assert [(each.body, each.received_at) for each in received(vault, clock)] == kept


def test_one_drains_at_a_time_and_a_dead_ones_lock_lapses(vault: Vault) -> None:
    fill(vault, 2)
    other = vault.ledger.redis.lock("stemvault:inbox:drainer", timeout=0.2)
    assert other.acquire()
    assert inbox.drain(vault) == 0
    assert vault.ledger.redis.pttl("stemvault:inbox:drainer") > 0
    vault.ledger.redis.delete("stemvault:inbox:drainer")
    assert inbox.drain(vault) == 2


def test_a_stranger_in_the_inbox_does_not_stand_in_the_way(vault: Vault, clock: Clock) -> None:
    key = vault.settings.layout.inbox_key("000-by-hand.txt")
    vault.store.write_text(key, b"\xff\xfe", "text/plain")
    fill(vault, 1)
    assert inbox.drain(vault) == 2
    assert sorted(each.body for each in received(vault, clock)) == ['{"n": 0}', "\ufffd\ufffd"]
