"""The story of a callback: read → recall → record → send."""

import hashlib

import structlog

from workers.callback import Callback, parse_body, parse_callback
from workers.deadline import deadline_of
from workers.dispatch import send
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError
from workers.manifest import restore_task, write_manifest
from workers.vault import Vault

log = structlog.get_logger()


def ingest(vault: Vault, body: str, received_at: float) -> None:
    """Record one callback's task and assets and send what is new to its queue. Harmless when repeated.

    Raises ``TransientError`` when the bucket, and redis-py's errors when the ledger cannot be reached.
    """
    try:
        callback = parse_callback(parse_body(body))
    except (UnrecognizedCallbackError, UnreadableCallbackError) as error:
        keep_unrecognized(vault, body, str(error))
        return
    with structlog.contextvars.bound_contextvars(task_id=callback.task_id):
        _ingest(vault, callback, body, received_at)


def _ingest(vault: Vault, callback: Callback, body: str, received_at: float) -> None:
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
        new=len(recorded.to_send),
    )
    send(vault, recorded.to_send)
    if recorded.changed and not recorded.open:
        write_manifest(vault, callback.task_id)


def keep_unrecognized(vault: Vault, body: str, why: str) -> None:
    """Keep a callback that was acknowledged and cannot be understood, whole, for people to look at."""
    name = f"{hashlib.sha256(body.encode()).hexdigest()}.json"
    vault.store.write_text(vault.settings.layout.unrecognized_key(name), body.encode(), "application/json")
    vault.ledger.count("callbacks", "unrecognized", "")
    log.warning("callback_unrecognized", why=why, kept_as=name)
