"""The ledger's names in Redis. docs/ledger.md describes the content of each.

Most begin with the number of the ledger's format, so that a version never reads or writes the records of a version with
another format. ``recording.adopt`` takes over older formats; newer formats are left to newer workers.
"""

from workers.callbacks.assets import AssetId
from workers.dispatch.queues import WAITING_QUEUES

COMMON = "stemvault:"
#: The formats that workers on this Redis have written.
FORMATS = COMMON + "formats"
#: Format 1 had no number in its names. Format 2 keeps a task in one compressed record, and a ready asset has no timer.
FORMAT = 2
PREFIX = f"{COMMON}{FORMAT}:"
#: Asset, or task whose manifest is due → the unix seconds of its next step. In Redis the set is called "alarms"; it
#: keeps that name within format 2.
TIMERS = PREFIX + "alarms"
#: Owner → asset, while it is leased. The owners' names of one process have the same prefix.
TAKEN = PREFIX + "taken"
#: By queue, the source hosts with ready assets, sorted by their earliest deadline. The name with ``:`` and a host has
#: that host's ready assets by deadline. So the earliest deadline is found at once, and a host that has its share of a
#: worker can be passed over.
READY = {queue: f"{PREFIX}waiting:{queue}" for queue in WAITING_QUEUES}
#: Multipart upload under way → the time at which it counts as orphaned. The name is the same in all formats.
UPLOADS = COMMON + "uploads"
#: Orphaned upload that could not be aborted → the time of the next try.
ORPHANS = COMMON + "orphans"
COUNTERS = COMMON + "counters"
#: The cursor of the scan that forgets settled tasks.
FORGETTING = PREFIX + "forgetting"

ASSETS = PREFIX + "asset:"


def task_key(task_id: str) -> str:
    """Give the name of a task's record. No id contains ``:``."""
    return f"{PREFIX}task:{task_id}"


def lock_key(task_id: str) -> str:
    """Give the name of the lock for writing a task's manifest."""
    return f"{PREFIX}task:{task_id}:manifest"


def asset_key(asset: AssetId) -> str:
    """Give the name of an asset's record."""
    return f"{ASSETS}{asset}"
