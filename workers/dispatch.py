"""Assets on their way to a worker: which queue, and when a message would count as lost."""

from collections.abc import Iterable

from config.settings import Settings
from workers.ledger import MESSAGE_PATIENCE
from workers.records import Waiting
from workers.vault import Vault


def queue_for(deadline: float, *, now: float, settings: Settings) -> str:
    """Name the queue: ``urgent`` when less than the urgent window is left until ``deadline``."""
    return "urgent" if deadline - now < settings.urgent_window else "assets"


def send(vault: Vault, assets: Iterable[Waiting]) -> None:
    """Send assets to their queues, and set each one's alarm to when to look at it again.

    That is when its message would count as lost, or when it becomes urgent or expires, whichever is
    first. If this process dies in between, the earlier alarms ring, which those set that gave us the assets.
    """
    now = vault.now()
    sent = []
    for asset in assets:
        vault.send(asset.id.task_id, asset.id.name, queue_for(asset.deadline, now=now, settings=vault.settings))
        turns = [time for time in (asset.deadline - vault.settings.urgent_window, asset.deadline) if time > now]
        sent.append((asset, min([now + MESSAGE_PATIENCE, *turns])))
    if sent:
        vault.ledger.sent(sent)
