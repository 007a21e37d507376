"""The story of a callback: take → read → recall → record → call workers."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from workers.assets import Asset
from workers.callbacks import Callback, parse_body, parse_callback, task_id_of
from workers.deadline import deadline_of
from workers.errors import CallbackFaultError, StemvaultError, UnreadableCallbackError, UnrecognizedCallbackError
from workers.manifest import remembered_task, write_manifest
from workers.received import Received
from workers.records import TaskSnapshot
from workers.vault import Vault

log = structlog.get_logger()


#: A callback that could not be recorded waits as long as it has waited already, between these bounds in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 20.0
#: So often may a callback be begun and not heard of again, or fail for a reason that no outage explains.
MOST_TRIES = 10


def ingest_next(vault: Vault) -> bool:
    """Take in the callback that is due for the longest time; tell whether there was one.

    One that cannot be recorded now (bucket away, say) is given back for later. One over which several processes have
    died, or which has failed again and again by itself, is kept for people. Raises redis-py's errors when Redis cannot
    be reached; then its lease runs out and it is taken again.
    """
    callback = vault.received.take()
    if callback is None:
        return False
    if callback.tries > MOST_TRIES:
        keep_for_people(vault, callback.body, "it keeps crashing its worker, or failing in it; the log says how")
        vault.received.done(callback)
        return True
    try:
        with vault.received.held(callback):
            ingest(vault, callback.body, callback.received_at)
    except CallbackFaultError as error:
        log.exception("callback_cannot_be_read", tries=callback.tries)
        _postpone(vault, callback, error, counted=True)
    except Exception as error:  # noqa: BLE001 - whatever it was, it says nothing about the callback
        _postpone(vault, callback, error, counted=False)
    else:
        vault.received.done(callback)
    return True


def _postpone(vault: Vault, callback: Received, error: Exception, *, counted: bool) -> None:
    wait = min(max(vault.now() - callback.received_at, SHORTEST_WAIT), LONGEST_WAIT)
    log.warning("callback_postponed", error=type(error).__name__, detail=str(error), wait=round(wait, 1))
    vault.received.postpone(callback, wait=wait, counted=counted)


def ingest(vault: Vault, body: str, received_at: float) -> None:
    """Record one callback's task and assets and call workers to what is new. Harmless when repeated.

    Raises ``CallbackFaultError`` if reading it fails for no known reason, ``TransientError`` when the bucket, and
    redis-py's errors when the ledger cannot be reached.
    """
    try:
        callback = _read(vault, body)
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_for_people(vault, body, str(error))
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        known = recall(vault, callback.task_id)
        _record(vault, callback, body, received_at, known=known)


@contextmanager
def _faults_told() -> Iterator[None]:
    """Turn what nobody has thought of into ``CallbackFaultError``: nothing in the block waits for anybody else."""
    try:
        yield
    except StemvaultError:
        raise
    except Exception as error:
        raise CallbackFaultError(f"{type(error).__name__}: {error}") from error


def _read(vault: Vault, body: str) -> Callback:
    with _faults_told():
        return parse_callback(parse_body(body), own_hosts=vault.settings.own_hosts)


def _named(vault: Vault, callback: Callback, received_at: float) -> list[tuple[Asset, str, float]]:
    """Give each asset with its key and its deadline."""
    settings = vault.settings
    with _faults_told():
        return [
            (asset, asset.key(settings.layout), deadline_of(asset, received_at=received_at, settings=settings))
            for asset in callback.assets
        ]


def recall(vault: Vault, task_id: str) -> bool:
    """Have Redis know a task that only its manifest knows; tell whether anything is known of it.

    An asset that was not settled when the manifest was written is in its callbacks alone, so those are recorded anew.
    Raises what ``remembered_task`` and ``record_anew`` raise.
    """
    if vault.ledger.knows(task_id):
        return True
    remembered = remembered_task(vault, task_id)
    if remembered is None:
        return False
    snapshot, unsettled = remembered
    record_anew(vault, snapshot, unsettled=unsettled, remember=vault.settings.ledger_retention)
    return True


def record_anew(vault: Vault, snapshot: TaskSnapshot, *, unsettled: bool, remember: float | None) -> None:
    """Record a task of which only this is known: what is settled as it is and, if there is more, all its callbacks.

    ``remember`` is for a task that has a manifest: for so many seconds. Harmless when repeated, also where a worker
    died in the middle. Raises what ``ingest`` raises.
    """
    vault.ledger.restore(snapshot, remember=remember)
    for entry in snapshot.callbacks if unsettled else ():
        try:
            callback = _read(vault, entry["body"])
        except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
            keep_for_people(vault, entry["body"], str(error))
        else:
            _record(vault, callback, entry["body"], entry["received_at"], known=True)
    vault.ledger.recalled(snapshot.task_id)


def _record(vault: Vault, callback: Callback, body: str, received_at: float, *, known: bool) -> None:
    named = _named(vault, callback, received_at)
    recorded = vault.ledger.record(
        callback, body, named, received_at=received_at, layout=vault.settings.layout, known=known
    )
    log.info(
        "callback_recorded",
        family=callback.family,
        stage=callback.stage,
        code=callback.code,
        meaning=callback.meaning,
        assets=len(named),
        new=sum(recorded.ready.values()),
    )
    for note in callback.notes:
        log.warning("callback_limited", note=note)
    if not recorded.kept:
        keep_for_people(vault, body, "its task's record is full; its files are stored all the same")
    if recorded.surplus:
        log.error("assets_not_recorded", surplus=recorded.surplus)
        keep_for_people(vault, body, f"its task's record is full: {recorded.surplus} of its files are not stored")
    for queue, number in recorded.ready.items():
        vault.tickets.call(queue, number)
    if recorded.changed and not recorded.open:
        write_manifest(vault, callback.task_id)


def keep_for_people(vault: Vault, body: str, why: str) -> None:
    """Keep a callback that was acknowledged and cannot be taken in, whole, with the reason beside it."""
    key = vault.settings.layout.unrecognized_key(f"{hashlib.sha256(body.encode()).hexdigest()}.json")
    vault.store.write_text(key, body.encode(), "application/json", why=why)
    vault.ledger.count("callbacks", "unrecognized", "")
    log.warning("callback_kept_for_people", why=why, key=key, task_id=_readable_task_id(body))


def _readable_task_id(body: str) -> str | None:
    """Give the body's task id, or None if it has none that can be used. The ingress has read the same body so."""
    try:
        return task_id_of(parse_body(body))
    except UnreadableCallbackError:
        return None
