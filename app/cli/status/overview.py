"""``stemvault status``: queues, transfers and next steps, or the whole record of one task."""

import json
from contextlib import suppress
from itertools import islice

from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from app.cli.status.watched import described_watch, show_watched
from config.settings import PREFIX, Settings
from workers.callbacks import parse_body, task_id_of
from workers.callbacks.assets import AssetId
from workers.context import open_store
from workers.dispatch.queues import QUEUES
from workers.dispatch.wake_ups import WakeUps
from workers.errors import UnreadableCallbackError
from workers.intake.received import ReceivedCallbacks
from workers.ledger.connection import open_ledger
from workers.ledger.ledger import Ledger
from workers.ledger.values.records import AssetRecord
from workers.liveness.signs_of_life import Fleet, SignsOfLife
from workers.manifest import document, read_manifest

_MAX_SHOWN, _MAX_LISTED = 20, 1000
#: How many waiting callbacks are searched for one task, in Redis and in the inbox.
_MAX_SEARCHED, _MAX_SEARCHED_OBJECTS = 100_000, 200


def show_status(console: Console, settings: Settings) -> bool:
    """Show queues, transfers, fleet, counters and the assets whose next step is due first."""
    ledger = open_ledger(settings)
    wake_ups = WakeUps(ledger.redis)
    waiting = "  ".join(f"{queue} {wake_ups.waiting(queue)}" for queue in QUEUES)
    received = ReceivedCallbacks(ledger.redis).waiting()
    console.print(f"Wake-up messages in queues: {waiting}   Callbacks not recorded yet: {received}")
    fleet = SignsOfLife(ledger.redis).fleet()
    show_transfers(console, settings, ledger, fleet)
    if inbox := len(open_store(settings).list(settings.layout.inbox_key(""), limit=_MAX_LISTED)):
        many = "at least " if inbox == _MAX_LISTED else ""
        console.print(f"Callbacks in the bucket's inbox: {many}{inbox}")
    _show_fleet(console, fleet)
    totals = Table("event", "", "", "count", title="Totals since this Redis was first used")
    counters = ledger.counters()
    for name, count in sorted(counters.items()):
        totals.add_row(*name.split("|"), f"{count:,}")
    console.print(totals)
    steps = Table("asset", "state", "attempts", "last error", "next step", "deadline", title="Next steps")
    now = ledger.now()
    for member, at in ledger.next_steps(_MAX_SHOWN):
        asset = AssetId.parse(member)
        record = ledger.asset(asset) if asset.name else AssetRecord()
        state = record.state or ("?" if asset.name else "manifest due")
        attempts = "" if record.attempts is None else str(record.attempts)
        left = "" if record.deadline is None else _span(record.deadline - now)
        steps.add_row(member, state, attempts, record.error, _span(at - now) if at > now else "now", left)
    console.print(steps)
    show_watched(console, settings, ledger.redis, counters, _span)
    _show_kept(console, settings)
    in_flight = ledger.in_flight()
    console.print(f"{in_flight} in flight" + (f", the first {_MAX_SHOWN} shown" if in_flight > _MAX_SHOWN else ""))
    return True


def show_transfers(console: Console, settings: Settings, ledger: Ledger, fleet: Fleet) -> None:
    """Show transfers, also how many are possible by this host's settings, and the assets that wait for one."""
    ready, under_way, possible = ledger.ready(), ledger.transferring(), fleet.workers * settings.transfers
    waiting = "  ".join(f"{queue} {number}" for queue, number in ready.items())
    console.print(f"Transfers under way: {under_way} of {possible} possible   Assets that wait for one: {waiting}")
    if under_way < possible and any(ready.values()):
        console.print(
            f"Assets can wait while transfers are free: a worker has at most {settings.transfers_per_host} transfers "
            f"from one source host ({PREFIX}MAX_TRANSFERS_PER_HOST), and memory for them up to {PREFIX}TRANSFER_MEMORY."
        )


def _show_fleet(console: Console, fleet: Fleet) -> None:
    last = "none within the last hour" if fleet.since_sweep is None else f"{_span(fleet.since_sweep)} ago"
    console.print(f"Workers: {fleet.workers}   Clocks: {fleet.clocks}   Last sweep: {last}")
    if not fleet.workers or not fleet.clocks:
        console.print(
            "[red]Assets are archived only with a worker and a clock: 'stemvault doctor' says how to start them."
        )


def _show_kept(console: Console, settings: Settings) -> None:
    """Show the callbacks that could not be recorded, with the reasons."""
    store = open_store(settings)
    keys = store.list(settings.layout.unrecognized_key(""), limit=_MAX_SHOWN)
    if keys:
        kept = Table(
            "not recorded, kept for an operator; enqueue again: stemvault replay KEY, or --unrecognized for all",
            "reason",
        )
        for key in keys:
            kept.add_row(key, store.metadata(key).get("why", ""))
        console.print(kept)
        if len(keys) == _MAX_SHOWN:
            console.print(f"Only the first {_MAX_SHOWN} are shown.")


def show_task(console: Console, settings: Settings, task_id: str) -> bool:
    """Show one task as JSON, from the ledger, or from its manifest if the ledger has forgotten it."""
    try:
        snapshot = open_ledger(settings).snapshot(task_id)
    except RedisError as error:
        console.print(
            f"Redis did not answer at {settings.redis_address} ({type(error).__name__}). The bucket's manifest says:"
        )
        snapshot = None
    if snapshot:
        console.print_json(json.dumps(document(snapshot)))
        return True
    manifest = read_manifest(open_store(settings), settings, task_id)
    if manifest is not None:
        console.print_json(json.dumps(manifest))
        return True
    if where := _waits(settings, task_id):
        console.print(f"A callback of task {task_id} was acknowledged and waits {where} until a worker records it.")
        return True
    if kept := _kept_for_people(settings, task_id):
        console.print(f"A callback of task {task_id} could not be recorded and is kept as {kept}.")
        console.print("'stemvault status' shows the reason, and 'stemvault replay' enqueues it again.")
        return True
    with suppress(RedisError):
        if watched := described_watch(settings, open_ledger(settings).redis, task_id, _span):
            console.print(watched, highlight=False)
            return True
    console.print(f"Task {task_id} is unknown: it is neither in Redis nor in the bucket. Check the id.")
    return False


def _kept_for_people(settings: Settings, task_id: str) -> str:
    """Give the key of an unrecorded callback that names the task; empty if none is among the first ones."""
    store = open_store(settings)
    for key in store.list(settings.layout.unrecognized_key(""), limit=_MAX_SEARCHED_OBJECTS):
        if task_id.encode() in (store.read_text(key) or b""):
            return key
    return ""


def _waits(settings: Settings, task_id: str) -> str:
    """Tell where a callback of the task waits to be recorded; empty if none is among the first ones."""
    with suppress(RedisError):
        for body in islice(ReceivedCallbacks(open_ledger(settings).redis).bodies(), _MAX_SEARCHED):
            if _is_of(body, task_id):
                return "in Redis"
    store = open_store(settings)
    for key in store.list(settings.layout.inbox_key(""), limit=_MAX_SEARCHED_OBJECTS):
        if _is_of((store.read_text(key) or b"").decode(errors="replace"), task_id):
            return f"in the bucket's inbox ({key})"
    return ""


def _is_of(body: str, task_id: str) -> bool:
    try:
        return task_id in body and task_id_of(parse_body(body)) == task_id
    except UnreadableCallbackError:
        return False


def _span(seconds: float) -> str:
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{sign}{seconds / size:.1f} {unit}"
    return f"{sign}{seconds:.0f} s"
