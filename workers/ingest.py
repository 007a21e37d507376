"""The story of a callback: read → recall → record → call workers."""

import hashlib

import structlog

from workers.callback import Callback, parse_body, parse_callback
from workers.deadline import deadline_of
from workers.dispatch import send_tickets
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError
from workers.ledger import MOST_CRASHES
from workers.manifest import restore_task, write_manifest
from workers.vault import Vault

log = structlog.get_logger()


def ingest(vault: Vault, body: str, received_at: float) -> None:
    """Record one callback's task and assets and call workers to what is new. Harmless when repeated.

    A callback over which several processes have died, one after the other, is set aside.
    Raises ``TransientError`` when the bucket, and redis-py's errors when the ledger cannot be reached.
    """
    digest = hashlib.sha256(body.encode()).hexdigest()
    if vault.ledger.callback_begins(digest) > MOST_CRASHES:
        keep_for_people(vault, body, "it keeps crashing its worker")
        vault.ledger.callback_ends(digest)
        return
    try:
        _ingest(vault, body, received_at)
    finally:
        vault.ledger.callback_ends(digest)


def _ingest(vault: Vault, body: str, received_at: float) -> None:
    try:
        callback = parse_callback(parse_body(body))
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_for_people(vault, body, str(error))
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        _record(vault, callback, body, received_at)


def _record(vault: Vault, callback: Callback, body: str, received_at: float) -> None:
    settings, ledger = vault.settings, vault.ledger
    if not ledger.knows(callback.task_id):
        restore_task(vault, callback.task_id)
    named = [
        (asset, asset.key(settings.layout), deadline_of(asset, received_at=received_at, settings=settings))
        for asset in callback.assets
    ]
    recorded = ledger.record(callback, body, named, received_at=received_at, now=vault.now())
    log.info(
        "callback_recorded",
        family=callback.family,
        stage=callback.stage,
        code=callback.code,
        meaning=callback.meaning,
        assets=len(named),
        new=sum(recorded.ready.values()),
    )
    send_tickets(vault, recorded.ready)
    if recorded.changed and not recorded.open:
        write_manifest(vault, callback.task_id)


def keep_for_people(vault: Vault, body: str, why: str) -> None:
    """Keep a callback that was acknowledged and cannot be taken in, whole, with the reason beside it."""
    key = vault.settings.layout.unrecognized_key(f"{hashlib.sha256(body.encode()).hexdigest()}.json")
    vault.store.write_text(key, body.encode(), "application/json", why=why)
    vault.ledger.count("callbacks", "unrecognized", "")
    log.warning("callback_kept_for_people", why=why, key=key)
