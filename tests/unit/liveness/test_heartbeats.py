"""Living workers keep their leases, even while a transfer waits."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import Mock

import pytest

from tests.conftest import eventually
from tests.origin import Answer, Origin
from tests.unit.conftest import LEASE, START, Clock, Sent
from tests.unit.story import GOOD, KEY, PATH, VIDEO, run, state, stored
from workers.context import WorkerContext
from workers.errors import HandedBackError, LeaseLostError
from workers.ingest import ingest
from workers.ledger.ledger import Ledger
from workers.ledger.storage.keys import UPLOADS
from workers.liveness.heartbeats import Heartbeats

Pause = Callable[[], None]


@pytest.fixture
def lease_must_be_renewed(context: WorkerContext, clock: Clock) -> Pause:
    """Let nearly a whole lease pass, twice, and wait each time until the lease is renewed."""

    def pause() -> None:
        for _ in range(2):
            clock.advance(LEASE - 1)
            eventually(lambda: (context.ledger.asset(VIDEO).lease or 0.0) >= clock() + LEASE)

    return pause


def in_a_redirect(context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch, pause: Pause) -> None:
    origin.serve(PATH, Answer(b"", status=302, headers={"Location": origin.url + "/moved.mp4"}))
    origin.serve("/moved.mp4", GOOD)
    get = context.session.get

    def slow(url: str, **options: Any) -> Any:
        if url.endswith(PATH):
            pause()
        return get(url, **options)

    monkeypatch.setattr(context.session, "get", slow)


def while_an_upload_is_created(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch, pause: Pause
) -> None:
    origin.serve(PATH, GOOD)
    create = context.store.client.create_multipart_upload

    def slow(**arguments: Any) -> Any:
        pause()
        return create(**arguments)

    monkeypatch.setattr(context.store.client, "create_multipart_upload", slow)


def while_an_upload_drains(
    context: WorkerContext, origin: Origin, monkeypatch: pytest.MonkeyPatch, pause: Pause
) -> None:
    origin.serve(PATH, GOOD)
    abort, upload = context.store.client.abort_multipart_upload, context.store.client.upload_part
    once = threading.Event()

    def fail_once(**arguments: Any) -> Any:
        if not once.is_set():
            once.set()
            raise OSError("the connection broke")
        return upload(**arguments)

    def slow(**arguments: Any) -> Any:
        pause()
        return abort(**arguments)

    monkeypatch.setattr(context.store.client, "upload_part", fail_once)
    monkeypatch.setattr(context.store.client, "abort_multipart_upload", slow)


@pytest.mark.slow
@pytest.mark.parametrize("wait", [in_a_redirect, while_an_upload_is_created, while_an_upload_drains])
def test_a_lease_is_renewed(
    wait: Callable[..., None],
    context: WorkerContext,
    sent: Sent,
    origin: Origin,
    clock: Clock,
    body: str,
    lease_must_be_renewed: Pause,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused = []

    def pause() -> None:
        lease_must_be_renewed()
        paused.append(clock())
        # The sweep of another worker does not make the asset ready.
        assert context.ledger.make_ready(VIDEO) == ""

    wait(context, origin, monkeypatch, pause)
    ingest(context, body, START)
    run(context, sent)
    assert paused


@pytest.mark.slow
def test_an_upload_is_renewed_with_its_lease_and_forgotten_when_it_ends(
    ledger: Ledger, context: WorkerContext, clock: Clock, body: str
) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease
    with context.heartbeats.held(lease, lambda: False) as hold:
        hold.upload_began("id key")
        clock.advance(LEASE)
        eventually(lambda: ledger.redis.zscore(UPLOADS, "id key") == clock() + LEASE)
        hold.upload_ended()
        clock.advance(1)
        eventually(lambda: ledger.asset(VIDEO).lease == clock() + LEASE)
        assert ledger.redis.zcard(UPLOADS) == 0


def test_a_transfer_is_told_that_its_lease_is_lost_or_that_it_must_end(
    ledger: Ledger, context: WorkerContext, body: str
) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease
    with context.heartbeats.held(lease, lambda: False) as hold:
        hold.alive()
        ledger.crashed("one")

        def lost() -> bool:
            try:
                hold.alive()
            except LeaseLostError:
                return True
            return False

        eventually(lost)
    with context.heartbeats.held(lease, lambda: True) as hold, pytest.raises(HandedBackError):
        hold.alive()


@pytest.mark.slow
def test_a_transfer_that_hangs_keeps_its_asset_no_longer_than_it_may(
    ledger: Ledger, context: WorkerContext, body: str
) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease
    with recorded(ledger) as renewals, Heartbeats(ledger, longest=0.0, every=0.01).held(lease, lambda: False) as hold:
        with context.heartbeats.held(lease, lambda: False):
            eventually(lambda: len(renewals) > 2)
        hold.alive()
        renewals.clear()
        assert not threading.Event().wait(0.1)
        assert renewals == []


@contextmanager
def recorded(ledger: Ledger) -> Iterator[list[str]]:
    """Give the assets whose leases are renewed within the block."""
    renewals: list[str] = []
    heartbeat = ledger.heartbeat

    def noted(lease: Any, **options: str) -> None:
        renewals.append(str(lease.id))
        heartbeat(lease, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "heartbeat", noted)
        yield renewals


@pytest.mark.slow
def test_after_a_heartbeat_fails_the_next_one_is_still_sent(
    ledger: Ledger, context: WorkerContext, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease
    heartbeat, failures = ledger.heartbeat, [ValueError("odd"), MemoryError()]

    def fails_at_first(lease: Any, **options: str) -> None:
        if failures:
            raise failures.pop()
        heartbeat(lease, **options)

    monkeypatch.setattr(ledger, "heartbeat", fails_at_first)
    with context.heartbeats.held(lease, lambda: False):
        clock.advance(LEASE - 1)
        eventually(lambda: ledger.asset(VIDEO).lease == clock() + LEASE)


def test_a_thread_that_cannot_be_started_is_started_for_the_next_asset(
    ledger: Ledger, context: WorkerContext, clock: Clock, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease
    with monkeypatch.context() as patch, ExitStack() as held:
        patch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            held.enter_context(context.heartbeats.held(lease, lambda: False))
    with context.heartbeats.held(lease, lambda: False):
        clock.advance(LEASE - 1)
        eventually(lambda: ledger.asset(VIDEO).lease == clock() + LEASE)


def test_the_thread_ends_when_nothing_is_held(context: WorkerContext, ledger: Ledger, body: str) -> None:
    ingest(context, body, START)
    lease = ledger.take(("assets",), "one")
    assert lease

    def beating() -> bool:
        return any(thread.name == "heartbeats" for thread in threading.enumerate())

    with context.heartbeats.held(lease, lambda: False):
        assert beating()
    eventually(lambda: not beating())
    assert stored(context, KEY) is None
    assert state(context)[0] == "transferring"
