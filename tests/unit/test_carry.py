"""Many transfers in one process: their number, each host's share, and faults that stay with one transfer."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.conftest import eventually
from tests.never_ending import Serve, dripped_body, dripped_chunk_extension, dripped_headers, serving
from tests.origin import Answer, Origin, running_origin, song
from workers.archive import archive_next
from workers.callbacks.assets import AssetId
from workers.carry import carry
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.ledger.storage.keys import asset_key
from workers.transfer.capacity import Capacity
from workers.transfer.memory import TransferMemory

QUEUES = ("urgent", "assets")
MIB = 1024**2


def recorded(context: WorkerContext, url: str, number: int, *, prefix: str = "t") -> list[AssetId]:
    """Record ``number`` tasks, each with one file below the URL."""
    assets = [AssetId(f"{prefix}{each}", "vocal") for each in range(number)]
    for asset in assets:
        info = {"vocal_url": f"{url}/{asset.task_id}.mp3"}
        body = {"code": 200, "msg": "", "data": {"task_id": asset.task_id, "vocal_removal_info": info}}
        ingest(context, json.dumps(body), context.now())
    return assets


def states(context: WorkerContext, assets: list[AssetId]) -> list[str]:
    # In one transaction: of two assets that follow each other, both could be seen under way.
    with context.ledger.redis.pipeline() as transaction:
        for asset in assets:
            transaction.hget(asset_key(asset), "state")
        return transaction.execute()


@contextmanager
def carrying(context: WorkerContext) -> Iterator[None]:
    """Carry in a thread until the block ends; then the transfers under way are handed back."""
    over = threading.Event()
    context = replace(context, is_ending=over.is_set, must_stop=over.is_set)
    thread = threading.Thread(target=carry, args=(context, QUEUES, "shift"), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)
        assert not thread.is_alive()


def dripping(seconds: int) -> Callable[[str], Answer]:
    """Make answers that send slowly, for longer than the test lasts."""
    return lambda path: Answer(song(path, seconds), pause=0.1, piece=100)


@pytest.mark.slow
def test_everything_is_archived_many_at_a_time_and_never_more_than_allowed(
    context: WorkerContext, origin: Origin
) -> None:
    context = replace(context, capacity=Capacity(at_once=5, per_host=5, memory=context.memory.budget))
    most = 0

    def answer(path: str) -> Answer:
        nonlocal most
        most = max(most, sum(state == "transferring" for state in states(context, assets)))
        return Answer(song(path, 60), pause=0.02, piece=100_000)

    origin.otherwise = answer
    assets = recorded(context, origin.url, 20)
    carry(context, QUEUES, "shift")
    assert set(states(context, assets)) == {"archived"}
    assert most == 5
    assert context.memory.allocated == 0


@pytest.mark.slow
def test_a_host_that_never_ends_has_its_share_and_others_pass(context: WorkerContext, origin: Origin) -> None:
    context = replace(context, capacity=Capacity(at_once=4, per_host=3, memory=context.memory.budget))
    with running_origin() as slow:
        slow.otherwise = dripping(60)
        stuck = recorded(context, slow.url, 10, prefix="slow")
        with carrying(context):
            eventually(lambda: states(context, stuck).count("transferring") == 3)
            origin.otherwise = lambda path: Answer(song(path, 5))
            honest = recorded(context, origin.url, 10, prefix="honest")
            eventually(lambda: set(states(context, honest)) == {"archived"})
            assert states(context, stuck).count("transferring") == 3


@pytest.mark.slow
def test_a_host_has_the_same_share_of_the_memory(context: WorkerContext, origin: Origin) -> None:
    memory = TransferMemory(40 * MIB, 5 * MIB)
    context = replace(context, memory=memory, capacity=Capacity(at_once=64, per_host=56, memory=memory.budget))
    with running_origin() as slow:
        slow.otherwise = dripping(300)
        stuck = recorded(context, slow.url, 20, prefix="slow")
        with carrying(context):
            eventually(lambda: states(context, stuck).count("transferring") >= 6)
            origin.otherwise = lambda path: Answer(song(path, 5))
            honest = recorded(context, origin.url, 5, prefix="honest")
            eventually(lambda: set(states(context, honest)) == {"archived"})


@pytest.mark.slow
def test_memory_that_a_file_turns_out_not_to_need_is_used_at_once(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.carry.LOOK_EVERY", 60)
    memory = TransferMemory(16 * MIB, 5 * MIB)  # room for three files of unknown length
    context = replace(context, memory=memory, capacity=Capacity(at_once=64, per_host=64, memory=memory.budget))
    origin.otherwise = dripping(60)
    assets = recorded(context, origin.url, 8)
    with carrying(context):
        eventually(lambda: states(context, assets).count("transferring") == 8)


@pytest.mark.slow
def test_the_ledger_is_asked_once_for_each_asset_while_a_host_has_its_share(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.carry.LOOK_EVERY", 60)
    context = replace(context, capacity=Capacity(at_once=64, per_host=3, memory=context.memory.budget))
    take = Mock(wraps=context.ledger.take)
    context.ledger.take = take  # type: ignore[method-assign]
    origin.otherwise = lambda path: Answer(song(path, 5))
    assets = recorded(context, origin.url, 20)
    carry(context, QUEUES, "shift")
    assert set(states(context, assets)) == {"archived"}
    assert take.call_count < 30


@pytest.mark.slow
def test_a_host_that_is_below_its_share_again_gets_its_next_transfer_at_once(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.carry.LOOK_EVERY", 60)
    context = replace(context, capacity=Capacity(at_once=64, per_host=2, memory=context.memory.budget))
    origin.otherwise = lambda path: (
        Answer(song(path, 60), pause=0.1, piece=100) if "slow" in path else Answer(song(path, 5))
    )
    recorded(context, origin.url, 1, prefix="slow")
    quick = recorded(context, origin.url, 6, prefix="quick")
    with carrying(context):
        eventually(lambda: set(states(context, quick)) == {"archived"})


@pytest.mark.slow
def test_transfers_start_in_deadline_order_across_hosts(context: WorkerContext, origin: Origin) -> None:
    context = replace(context, capacity=Capacity(at_once=1, per_host=1, memory=context.memory.budget))
    with running_origin() as other:
        origin.otherwise = other.otherwise = lambda path: Answer(song(path, 5))
        for number, expires in enumerate([500, 100, 300, 200, 400]):
            host = origin if number % 2 else other
            info = {"vocal_url": f"{host.url}/{number}.mp3?expires={int(context.now()) + 1000 + expires}"}
            body = {"code": 200, "data": {"task_id": f"t{number}", "vocal_removal_info": info}}
            ingest(context, json.dumps(body), context.now())
        begun: list[str] = []
        take = context.ledger.take

        def noted(*args: Any, **kwargs: Any) -> Any:
            if lease := take(*args, **kwargs):
                begun.append(lease.id.task_id)
            return lease

        context.ledger.take = noted  # type: ignore[method-assign]
        carry(context, QUEUES, "shift")
    assert begun == ["t1", "t3", "t2", "t4", "t0"]


@pytest.mark.slow
def test_nothing_is_begun_when_the_worker_is_ending_and_what_is_under_way_is_handed_back(
    context: WorkerContext, origin: Origin
) -> None:
    context = replace(context, capacity=Capacity(at_once=2, per_host=2, memory=context.memory.budget))
    origin.otherwise = dripping(60)
    assets = recorded(context, origin.url, 4)
    with carrying(context):
        eventually(lambda: states(context, assets).count("transferring") == 2)
    assert states(context, assets).count("pending") == 4
    assert len(origin.requests) == 2
    assert sum(context.ledger.asset(asset).error == "handed_back" for asset in assets) == 2


@pytest.mark.slow
def test_an_error_in_one_transfer_is_logged_and_stops_no_other_transfer(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.otherwise = lambda path: Answer(song(path, 5))
    assets = recorded(context, origin.url, 3)
    settle = context.ledger.settle

    def fail_once(asset: AssetId, *args: Any, **kwargs: Any) -> int:
        if asset == assets[0]:
            raise RedisConnectionError("away")
        return settle(asset, *args, **kwargs)

    monkeypatch.setattr(context.ledger, "settle", fail_once)
    with capture_logs() as logs:
        carry(context, QUEUES, "shift")
    assert sorted(states(context, assets)) == ["archived", "archived", "transferring"]
    assert [line["work"] for line in logs if line["event"] == "broker_away"] == ["archive"]


@pytest.mark.slow
def test_wake_up_messages_are_sent_for_assets_that_are_left_but_not_for_each_one(
    context: WorkerContext, origin: Origin
) -> None:
    context = replace(context, capacity=Capacity(at_once=2, per_host=2, memory=context.memory.budget))
    origin.otherwise = lambda path: Answer(song(path, 5))
    recorded(context, origin.url, 20)
    redis = context.ledger.redis
    redis.delete("assets")
    sent = []
    send = context.wake_ups.send

    def noted(queue: str, number: int) -> None:
        sent.append(queue)
        send(queue, number)
        redis.delete(queue)  # another worker takes the message

    context.wake_ups.send = noted  # type: ignore[method-assign]
    carry(context, QUEUES, "shift")
    assert sent.count("assets") < 10
    assert "assets" in sent


@pytest.mark.slow
def test_where_the_system_gives_no_more_threads_assets_are_stored_one_after_the_other(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.otherwise = lambda path: Answer(song(path, 5))
    assets = recorded(context, origin.url, 3)
    none_left = SimpleNamespace(start=Mock(side_effect=RuntimeError("can't start new thread")))
    monkeypatch.setattr("workers.carry.threading", SimpleNamespace(Thread=lambda **_: none_left))
    carry(context, QUEUES, "shift")
    assert set(states(context, assets)) == {"archived"}


def test_a_search_that_finds_no_asset_reserves_no_memory(context: WorkerContext, origin: Origin) -> None:
    context = replace(context, memory=TransferMemory(8 * MIB, 5 * MIB))
    for _ in range(5):
        assert not archive_next(context, QUEUES, "nobody")
    assert context.memory.promised == 0
    origin.otherwise = lambda path: Answer(song(path, 5))
    recorded(context, origin.url, 1)
    assert archive_next(context, QUEUES, "one")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [dripped_headers, dripped_body, dripped_chunk_extension])
def test_assets_of_slow_sources_are_handed_back_at_once_when_the_worker_must_end(
    context: WorkerContext, kind: Serve
) -> None:
    with serving(kind, 0.05) as url:
        assets = recorded(context, url.removesuffix("/song.mp3"), 3)
        with carrying(context):
            eventually(lambda: states(context, assets) == ["transferring"] * 3)
            began = time.monotonic()
        assert time.monotonic() - began < 3
    assert [context.ledger.asset(asset).error for asset in assets] == ["handed_back"] * 3
