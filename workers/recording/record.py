"""Writes a callback to the ledger: read → give keys and deadlines → record → send wake-up messages."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from workers.callbacks import Callback, parse_body, parse_callback, task_id_of
from workers.callbacks.assets import Asset
from workers.context import WorkerContext
from workers.errors import CallbackFaultError, StemvaultError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.ledger.values.records import TaskSnapshot
from workers.manifest import write_manifest
from workers.provider.families import family_for
from workers.recording.expiry import deadline_of

log = structlog.get_logger()

#: After a stage that is not the last one, seconds until the provider is asked for the rest.
RECONCILE_AFTER = 1800.0
_LAST_STAGES = frozenset({"complete", "error"})


@contextmanager
def _unknown_faults_named() -> Iterator[None]:
    """Turn unknown errors into ``CallbackFaultError``. The block is pure, so that no outage can cause one."""
    try:
        yield
    except StemvaultError:
        raise
    except Exception as error:
        raise CallbackFaultError(f"{type(error).__name__}: {error}") from error


def read_callback(context: WorkerContext, body: str) -> Callback:
    """Read a body. Raises ``UnrecognizedCallbackError``, ``UnreadableCallbackError`` and ``CallbackFaultError``."""
    with _unknown_faults_named():
        return parse_callback(parse_body(body), own_hosts=context.settings.own_hosts)


def _with_keys_and_deadlines(
    context: WorkerContext, callback: Callback, received_at: float
) -> list[tuple[Asset, str, float]]:
    """Give each asset with its key and its deadline."""
    settings = context.settings
    with _unknown_faults_named():
        return [
            (asset, asset.key(settings.layout), deadline_of(asset, received_at=received_at, settings=settings))
            for asset in callback.assets
        ]


def record_anew(context: WorkerContext, snapshot: TaskSnapshot, *, unsettled: bool, remember: float | None) -> None:
    """Record a task that the ledger does not know: its settled assets and, with ``unsettled``, all its callbacks.

    ``remember`` is how long, in seconds, the ledger keeps a task that has a manifest; None for a task without one.
    Idempotent, also after a worker has died in the middle. Raises the errors of ``ingest``.
    """
    context.ledger.restore(snapshot, remember=remember)
    for entry in snapshot.callbacks if unsettled else ():
        try:
            callback = read_callback(context, entry.body)
        except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
            keep_for_people(context, entry.body, str(error))
        else:
            record_callback(context, callback, entry.body, entry.received_at, replay=True)
    context.ledger.recalled(snapshot.task_id)


def record_callback(  # noqa: PLR0913 - a callback, and how it came
    context: WorkerContext,
    callback: Callback,
    body: str,
    received_at: float,
    *,
    known: bool = False,
    replay: bool = False,
) -> None:
    """Record a callback and its assets, and send wake-up messages for new assets.

    ``known`` and ``replay`` are those of ``Ledger.record``. If the task is settled, its manifest is written.
    """
    assets = _with_keys_and_deadlines(context, callback, received_at)
    layout = context.settings.layout
    recorded = context.ledger.record(
        callback, body, assets, received_at=received_at, layout=layout, known=known, replay=replay
    )
    log.info(
        "callback_recorded",
        family=callback.family,
        stage=callback.stage,
        code=callback.code,
        meaning=callback.meaning,
        assets=len(assets),
        new=sum(recorded.ready.values()),
    )
    for note in callback.notes:
        log.warning("callback_limited", note=note)
    if not recorded.kept:
        keep_for_people(context, body, "its task's record is full; its files are still stored")
    if recorded.surplus:
        log.error("assets_not_recorded", surplus=recorded.surplus)
        keep_for_people(context, body, f"its task's record is full: {recorded.surplus} of its files are not stored")
    for queue, number in recorded.ready.items():
        context.wake_ups.send(queue, number)
    if context.provider:
        _watch(context, callback, received_at)
    if recorded.changed and not recorded.open:
        write_manifest(context, callback.task_id)


def _watch(context: WorkerContext, callback: Callback, received_at: float) -> None:
    """Ask the provider about a task whose last callback does not come in time; stop asking when it has come."""
    if callback.stage in _LAST_STAGES:
        context.watches.end(callback.task_id, "failed" if callback.failed else "settled", by_callback=True)
        return
    if context.ledger.is_finished(callback.task_id):
        return
    family = family_for(callback.family)
    after = max(received_at + RECONCILE_AFTER - context.now(), 0.0)
    context.watches.add(callback.task_id, family.name if family else "", "reconcile", after=after)


def watch_dead_letter(context: WorkerContext, body: str) -> None:
    """Ask the provider about the task of a callback that cannot be read, if it has a usable id."""
    if context.provider and (task_id := _readable_task_id(body)):
        context.watches.add(task_id, "", "dead_letter")


def keep_for_people(context: WorkerContext, body: str, why: str) -> None:
    """Keep a whole callback that cannot be recorded in the bucket, under ``_unrecognized/``, with the reason."""
    key = context.settings.layout.unrecognized_key(f"{hashlib.sha256(body.encode()).hexdigest()}.json")
    context.store.write_text(key, body.encode(), "application/json", why=why)
    context.ledger.count("callbacks", "unrecognized", "")
    log.warning("callback_kept_for_people", why=why, key=key, task_id=_readable_task_id(body))


def _readable_task_id(body: str) -> str | None:
    """Give the body's task id, or None if it has no usable one."""
    try:
        return task_id_of(parse_body(body))
    except UnreadableCallbackError:
        return None
