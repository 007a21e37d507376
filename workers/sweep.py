"""The alarm clock: every asset that is due gets its next step, and every manifest that is due is written."""

from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from workers.assets import AssetId
from workers.dispatch import follow_up, top_up_tickets
from workers.errors import FreshUrlError, LeaseLostError, TransientError
from workers.manifest import write_manifest
from workers.records import UNNAMED
from workers.room import SWEEP_FORGETS
from workers.vault import Vault

log = structlog.get_logger()

#: How many alarms one sweep takes; the next one, seconds later, takes the next.
BATCH = 1000
#: So long one sweep forgets settled tasks, in steps of so many records.
_FORGET_SECONDS, _FORGET_AT_ONCE = 1.0, 500


def sweep(vault: Vault) -> None:
    """Ring what is due, and clear up behind dead workers.

    Several sweeps at a time are harmless: each alarm rings for one of them. The cost depends on
    what is due, not on what is known.
    """
    # First, as nothing else can be done in a Redis that is full.
    _make_room(vault)
    for member in vault.ledger.due(limit=BATCH):
        _isolated(_follow_up_alarm, vault, member)
    top_up_tickets(vault)
    _abort_orphaned_uploads(vault)


def _isolated(step: Callable[[Vault, str], None], vault: Vault, what: str) -> None:
    """Do one step of many; what it raises is logged, and only Redis's absence ends the others."""
    try:
        step(vault, what)
    except RedisError:
        raise
    except Exception:
        log.exception("sweep_step_failed", what=what)


def _follow_up_alarm(vault: Vault, member: str) -> None:
    asset = AssetId.parse(member)
    if asset.name:
        _ring(vault, asset)
    else:
        write_manifest(vault, asset.task_id)


def _ring(vault: Vault, asset: AssetId) -> None:
    step = follow_up(vault, asset)
    if step in {"expired", "poison"}:
        _give_up(vault, asset, "expired" if step == "expired" else "set_aside")


def _give_up(vault: Vault, asset: AssetId, state: str) -> None:
    reason = vault.ledger.asset(asset).get("error", "never_tried")
    try:
        still_open = vault.ledger.settle(asset, "", state, reason=reason)
    except (LeaseLostError, FreshUrlError):
        return  # a worker has taken it this moment, or a fresh URL has come: it may yet be stored
    log.error(f"asset_{state}", task_id=asset.task_id, asset=asset.name, reason=reason)  # noqa: G004 - two fixed words
    if not still_open:
        write_manifest(vault, asset.task_id)


def _make_room(vault: Vault) -> None:
    """Forget settled tasks, where Redis is nearly full, for a second at most."""
    if vault.fullness() < SWEEP_FORGETS:
        return
    until = vault.monotonic() + _FORGET_SECONDS
    while True:
        all_seen = vault.ledger.forget_settled(count=_FORGET_AT_ONCE)
        fullness = vault.fullness()
        if all_seen or fullness < SWEEP_FORGETS or vault.monotonic() > until:
            break
    log.warning("broker_nearly_full", fullness=round(fullness, 3))


def _abort_orphaned_uploads(vault: Vault) -> None:
    """Abort the multipart uploads of workers that have died; S3 would keep, and charge for, their parts for ever."""
    for upload in vault.ledger.orphaned_uploads():
        _isolated(_abort, vault, upload)


def _unnamed(vault: Vault, upload: str) -> list[str]:
    """Give what a worker has left that died while it created an upload: those of the key of which nobody knows.

    Raises ``TransientError`` (``upload_begins``) where another one is creating an upload to the key now.
    """
    _, _, key = upload.partition(" ")
    found = vault.store.unfinished(key)
    if found and vault.ledger.upload_begins(key):
        raise TransientError("upload_begins", "another worker has begun to store this asset")
    return [each for each in found if not vault.ledger.knows_upload(each)]


def _abort(vault: Vault, upload: str) -> None:
    try:
        for each in _unnamed(vault, upload) if upload.startswith(UNNAMED) else [upload]:
            vault.store.abort(each)
    except TransientError as error:
        # Its turn comes again after those that have not had one.
        vault.ledger.postpone_orphan(upload)
        log.warning("orphaned_upload_kept", reason=error.reason, detail=error.detail)
        return
    vault.ledger.upload_ended(upload)
    log.info("orphaned_upload_aborted", upload=upload)
