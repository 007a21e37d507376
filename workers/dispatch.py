"""Who is called to what: tickets for assets that became ready, and for what the sweep finds waiting."""

from workers.assets import AssetId
from workers.queues import ASSET_QUEUES, CALLBACKS
from workers.vault import Vault

#: Where a ticket of each queue looks. What is urgent goes first everywhere, and a worker that is
#: kept for urgent assets alone is never found busy with others.
LOOKS_IN = {"urgent": ("urgent",), "assets": ASSET_QUEUES}


def follow_up(vault: Vault, asset: AssetId) -> str:
    """Make an asset ready whose alarm rang, and call a worker to it; the reply is the ledger's ``make_ready``'s."""
    step = vault.ledger.make_ready(asset)
    if step in ASSET_QUEUES:
        vault.tickets.call(step, 1)
    return step


def top_up_tickets(vault: Vault) -> None:
    """Send what tickets are missing: some are lost with a worker, or were never sent."""
    wanted = {CALLBACKS: vault.received.due(), **vault.ledger.ready()}
    for queue, number in wanted.items():
        vault.tickets.call(queue, number)
