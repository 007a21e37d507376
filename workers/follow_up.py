"""Who is called to what: tickets for assets that became ready, and for what the sweep finds waiting."""

from collections.abc import Iterable

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.dispatch.queues import CALLBACKS, WAITING_QUEUES
from workers.dispatch.wake_ups import MAX_WAITING, WakeUps
from workers.ledger.ledger import Ledger


def follow_up(context: WorkerContext, asset: AssetId) -> str:
    """Make an asset ready whose alarm rang, and call a worker to it; the reply is the ledger's ``make_ready``'s."""
    return _follow_up(context.ledger, context.wake_ups, asset)


def _follow_up(ledger: Ledger, wake_ups: WakeUps, asset: AssetId) -> str:
    step = ledger.make_ready(asset)
    if step in WAITING_QUEUES:
        wake_ups.call(step, 1)
    return step


def take_up_again(ledger: Ledger, wake_ups: WakeUps, owners: str) -> list[str]:
    """Have all assets taken up at once that a process held which has died; its owners begin with ``owners``."""
    assets = ledger.crashed(owners)
    for asset in assets:
        _follow_up(ledger, wake_ups, AssetId.parse(asset))
    return assets


def call_to_what_is_left(context: WorkerContext, queues: Iterable[str]) -> None:
    """Call a worker to each of the queues in which something waits that it can take."""
    ready = context.ledger.ready(unexpired=True, most=1)
    for queue in queues:
        context.wake_ups.call(queue, min(ready[queue], 1))


def top_up_wake_ups(context: WorkerContext) -> None:
    """Send what tickets are missing: some are lost with a worker, or were never sent."""
    wanted = {CALLBACKS: context.received.due(), **context.ledger.ready(most=MAX_WAITING)}
    for queue, number in wanted.items():
        context.wake_ups.call(queue, number)
