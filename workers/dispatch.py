"""Tickets: Celery messages that call a worker to whatever expires first.

A ticket names a queue and no asset. Which asset it stands for is decided when a worker comes with it,
by the ledger's ready sets, so what expires first goes first however the tickets lie; a ticket too many
finds nothing and ends, and one too few is made up for by the sweep. No asset waits twice.
"""

from collections.abc import Mapping

from workers.assets import AssetId
from workers.queues import ASSET_QUEUES, CALLBACKS
from workers.vault import Vault

#: As many tickets as are kept waiting at least, if there are assets for them: enough for any fleet
#: until the next sweep, and no more to look through when the backlog is long.
MOST_TICKETS = 1000

#: Where a ticket of each queue looks. What is urgent goes first everywhere, and a worker that is
#: kept for urgent assets alone is never found busy with others.
LOOKS_IN = {"urgent": ("urgent",), "assets": ASSET_QUEUES}


def send_tickets(vault: Vault, ready: Mapping[str, int]) -> None:
    """Send tickets, so many to each queue."""
    for queue, count in ready.items():
        for _ in range(count):
            vault.send_ticket(queue)


def follow_up(vault: Vault, asset: AssetId) -> str:
    """Make an asset ready whose alarm rang, and send a ticket for it; the reply is the ledger's ``make_ready``'s."""
    step = vault.ledger.make_ready(asset, now=vault.now())
    if step in ASSET_QUEUES:
        send_tickets(vault, {step: 1})
    return step


def top_up_tickets(vault: Vault) -> None:
    """Send what tickets are missing: some are lost with a worker, or were never sent."""
    wanted = {CALLBACKS: vault.received.due(now=vault.now()), **vault.ledger.ready()}
    for queue, ready in wanted.items():
        waiting = vault.ledger.messages(queue)
        send_tickets(vault, {queue: max(0, min(ready, MOST_TICKETS) - waiting)})
