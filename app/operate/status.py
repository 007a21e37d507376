"""``stemvault status``: what is in flight, and all that is known of one task."""

import json
import time

from rich.console import Console
from rich.table import Table

from config.settings import Settings
from workers.assets import AssetId
from workers.manifest import document, read_manifest
from workers.queues import QUEUES
from workers.received import ReceivedCallbacks
from workers.tickets import Tickets
from workers.vault import open_ledger, open_store

_MOST_SHOWN = 20


def show_vault(console: Console, settings: Settings) -> bool:
    """Show queues, counters and the assets whose next step comes first."""
    ledger = open_ledger(settings)
    tickets = Tickets(ledger.redis)
    waiting = "  ".join(f"{queue} {tickets.waiting(queue)}" for queue in QUEUES)
    received = ReceivedCallbacks(ledger.redis).waiting()
    console.print(f"Tickets in queues: {waiting}   Callbacks not recorded yet: {received}")
    totals = Table("what", "", "", "count", title="Since the ledger began")
    for name, count in sorted(ledger.counters().items()):
        totals.add_row(*name.split("|"), f"{count:,}")
    console.print(totals)
    steps = Table("asset", "state", "attempts", "last error", "next step", "deadline", title="Next steps")
    now = time.time()
    for member, at in ledger.next_steps(_MOST_SHOWN):
        asset = AssetId.parse(member)
        record = ledger.asset(asset) if asset.name else {"state": "manifest due"}
        left = _span(float(record["deadline"]) - now) if "deadline" in record else ""
        columns = (record.get("state", "?"), record.get("attempts", ""), record.get("error", ""))
        steps.add_row(member, *columns, _span(at - now), left)
    console.print(steps)
    _show_kept(console, settings)
    in_flight = ledger.in_flight()
    console.print(f"{in_flight} in flight" + (f", the first {_MOST_SHOWN} shown" if in_flight > _MOST_SHOWN else ""))
    return True


def _show_kept(console: Console, settings: Settings) -> None:
    """Show the callbacks that people have to look at."""
    store = open_store(settings)
    keys = store.list(settings.layout.unrecognized_key(""), limit=_MOST_SHOWN)
    if keys:
        kept = Table(
            "kept for you to look at: stemvault replay KEY (or --unrecognized for all) takes it in again", "why"
        )
        for key in keys:
            kept.add_row(key, store.metadata(key).get("why", ""))
        console.print(kept)
        if len(keys) == _MOST_SHOWN:
            console.print(f"The first {_MOST_SHOWN} are shown; there may be more.")


def show_task(console: Console, settings: Settings, task_id: str) -> bool:
    """Show one task as JSON, from the ledger, or from its manifest where the ledger has forgotten it."""
    snapshot = open_ledger(settings).snapshot(task_id)
    if snapshot:
        console.print_json(json.dumps(document(snapshot)))
        return True
    manifest = read_manifest(open_store(settings), settings, task_id)
    if manifest is not None:
        console.print_json(json.dumps(manifest))
        return True
    console.print(f"Nothing is known of task {task_id}, neither in Redis nor in the bucket.")
    return False


def _span(seconds: float) -> str:
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{sign}{seconds / size:.1f} {unit}"
    return f"{sign}{seconds:.0f} s"
