"""The alarm clock: every asset that is due gets its next step, and every manifest that is due is written."""

import structlog

from workers.assets import AssetId
from workers.dispatch import send
from workers.errors import LeaseLostError
from workers.manifest import write_manifest
from workers.records import Waiting
from workers.vault import Vault

log = structlog.get_logger()

#: How many alarms one sweep takes; the next one, seconds later, takes the next.
BATCH = 500


def sweep(vault: Vault) -> None:
    """Ring what is due. Several sweeps at a time are harmless: each alarm rings for one of them."""
    waiting = []
    for member in vault.ledger.due(now=vault.now(), limit=BATCH):
        asset = AssetId.parse(member)
        if asset.name:
            waiting += _due_asset(vault, asset)
        else:
            write_manifest(vault, asset.task_id)
    send(vault, waiting)


def _due_asset(vault: Vault, asset: AssetId) -> list[Waiting]:
    record = vault.ledger.asset(asset)
    state = record.get("state")
    if state not in {"pending", "transferring"}:
        vault.ledger.drop_alarm(str(asset))
        return []
    deadline = float(record["deadline"])
    if state == "pending" and vault.now() >= deadline:
        _expire(vault, asset, record)
        return []
    log.info("asset_due", task_id=asset.task_id, asset=asset.name, state=state, attempts=record["attempts"])
    return [Waiting(asset, deadline, int(record["attempts"]))]


def _expire(vault: Vault, asset: AssetId, record: dict[str, str]) -> None:
    reason = record.get("error", "never_tried")
    try:
        still_open = vault.ledger.settle(asset, "", "expired", reason=reason, now=vault.now())
    except LeaseLostError:
        return  # a worker has claimed it this moment and may yet make it
    log.error("asset_expired", task_id=asset.task_id, asset=asset.name, reason=reason)
    if not still_open:
        write_manifest(vault, asset.task_id)
