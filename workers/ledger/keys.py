"""The ledger's names in Redis. Whoever looks into Redis finds what each holds in ARCHITECTURE.md.

All of them begin with the ledger's format, so a version never reads or writes a record that another version means
differently. ``recording.adopt`` takes older formats over; newer ones are left to the newer workers beside this one.
"""

from workers.callbacks.assets import AssetId
from workers.dispatch.queues import WAITING_QUEUES

COMMON = "stemvault:"
#: The formats that workers on this Redis have written.
FORMATS = COMMON + "formats"
#: 1 had no number in its names; 2 keeps a task in one record, compressed, and no alarm beside a ready asset.
FORMAT = 2
PREFIX = f"{COMMON}{FORMAT}:"
TIMERS = PREFIX + "alarms"
#: owner → asset, while it is held. Owners whose assets one process has in hand begin alike.
TAKEN = PREFIX + "taken"
#: What waits for a worker: source hosts by their first deadline. The name with ``:`` and a host holds that host's
#: assets, by deadline. What expires first goes first, and a host that has its share of a worker is passed over.
READY = {queue: f"{PREFIX}waiting:{queue}" for queue in WAITING_QUEUES}
#: Multipart uploads under way → when one counts as orphaned. The same in all formats.
UPLOADS = COMMON + "uploads"
#: Those of dead workers that could not be aborted → when to try again.
ORPHANS = COMMON + "orphans"
COUNTERS = COMMON + "counters"

#: How far the sweep has come that forgets settled tasks.
FORGETTING = PREFIX + "forgetting"

ASSETS = PREFIX + "asset:"


def task_key(task_id: str) -> str:
    """Name a task's record. No id contains ``:``."""
    return f"{PREFIX}task:{task_id}"


def lock_key(task_id: str) -> str:
    """Name the lock under which a task's manifest is written."""
    return f"{PREFIX}task:{task_id}:manifest"


def asset_key(asset: AssetId) -> str:
    """Name an asset's record."""
    return f"{ASSETS}{asset}"
