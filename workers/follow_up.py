"""Wake-up messages for assets and callbacks that wait: after a timer, after a crash, and in place of lost messages.

A wake-up message names a queue and no asset. The worker that receives it takes the asset with the earliest deadline.
"""

from collections.abc import Iterable

from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.dispatch.queues import CALLBACKS, POLLS, WAITING_QUEUES
from workers.dispatch.wake_ups import MAX_WAITING, WakeUps
from workers.ledger.ledger import Ledger


def follow_up(context: WorkerContext, asset: AssetId) -> str:
    """Make an asset ready whose timer has fired, and wake a worker; give the reply of ``Ledger.make_ready``."""
    return _follow_up(context.ledger, context.wake_ups, asset)


def _follow_up(ledger: Ledger, wake_ups: WakeUps, asset: AssetId) -> str:
    step = ledger.make_ready(asset)
    if step in WAITING_QUEUES:
        wake_ups.send(step, 1)
    return step


def recover_from_dead_process(ledger: Ledger, wake_ups: WakeUps, owners: str) -> list[str]:
    """Make all assets ready that a dead process held; give their names. Its leases' owners begin with ``owners``."""
    assets = ledger.crashed(owners)
    for asset in assets:
        _follow_up(ledger, wake_ups, AssetId.parse(asset))
    return assets


def wake_workers(context: WorkerContext, queues: Iterable[str]) -> None:
    """Send a wake-up message to each of the queues in which an asset is ready and has not expired."""
    ready = context.ledger.ready(unexpired=True, most=1)
    for queue in queues:
        context.wake_ups.send(queue, min(ready[queue], 1))


def top_up_wake_ups(context: WorkerContext) -> None:
    """Send wake-up messages for all callbacks and assets that wait without one: messages can be lost with a worker.

    The test is ``test_lost_wake_ups_are_made_up_for_by_the_sweep``.
    """
    wanted = {CALLBACKS: context.received.due(), **context.ledger.ready(most=MAX_WAITING)}
    if context.provider:
        wanted[POLLS] = min(context.watches.due(), 1)
    for queue, number in wanted.items():
        context.wake_ups.send(queue, number)
