"""Who is called to what: tickets for assets that became ready, and for what the sweep finds waiting."""

from collections.abc import Iterable

from workers.assets import AssetId
from workers.ledger import Ledger
from workers.queues import CALLBACKS, WAITING_QUEUES
from workers.tickets import MOST_WAITING, Tickets
from workers.vault import Vault


def follow_up(vault: Vault, asset: AssetId) -> str:
    """Make an asset ready whose alarm rang, and call a worker to it; the reply is the ledger's ``make_ready``'s."""
    return _follow_up(vault.ledger, vault.tickets, asset)


def _follow_up(ledger: Ledger, tickets: Tickets, asset: AssetId) -> str:
    step = ledger.make_ready(asset)
    if step in WAITING_QUEUES:
        tickets.call(step, 1)
    return step


def take_up_again(ledger: Ledger, tickets: Tickets, owners: str) -> list[str]:
    """Have all assets taken up at once that a process held which has died; its owners begin with ``owners``."""
    assets = ledger.crashed(owners)
    for asset in assets:
        _follow_up(ledger, tickets, AssetId.parse(asset))
    return assets


def call_to_what_is_left(vault: Vault, queues: Iterable[str]) -> None:
    """Call a worker to each of the queues in which something waits that it can take."""
    ready = vault.ledger.ready(unexpired=True, most=1)
    for queue in queues:
        vault.tickets.call(queue, min(ready[queue], 1))


def top_up_tickets(vault: Vault) -> None:
    """Send what tickets are missing: some are lost with a worker, or were never sent."""
    wanted = {CALLBACKS: vault.received.due(), **vault.ledger.ready(most=MOST_WAITING)}
    for queue, number in wanted.items():
        vault.tickets.call(queue, number)
