"""``stemvault demo``: archive sample callbacks with real processes and compare the objects byte for byte."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import requests
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from app.cli.trials.samples import sample_callbacks
from app.embedded.origin import Origin, running_origin
from app.embedded.provider import Options, Provider, fake_provider
from app.embedded.provider.provider import FILES
from app.embedded.provider.shapes.callbacks import callback
from app.embedded.stack import BUCKET, Stack, embedded_stack
from app.ingress.authentication import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from config.layout import KeyLayout
from workers.callbacks import parse_callback
from workers.ledger.ledger import Ledger
from workers.manifest import status
from workers.watching.turns import Turns
from workers.watching.watches import Watches

#: Seconds to wait until all assets are archived.
PATIENCE = 60.0
#: The task whose callback never comes.
_UNDELIVERED = "demo-undelivered"


@dataclass(frozen=True)
class Expected:
    """An object that must be in the bucket."""

    sha256: str
    fetched: Callable[[], int]
    """Tells how often its file was fetched."""


def run_demo(console: Console) -> bool:
    """Run the demo and tell whether every asset is in the bucket, byte for byte, and was fetched only once."""
    key = secrets.token_urlsafe(24)
    settings = {
        "STEMVAULT_WEBHOOK_HMAC_KEYS": key,
        "STEMVAULT_POLL_INTERVAL": "2s",
        "STEMVAULT_ALLOW_PRIVATE_ADDRESSES": "true",
        "STEMVAULT_ALLOWED_ASSET_PORTS": "*",
    }
    with (
        running_origin() as origin,
        fake_provider(Options(deliver=False)) as provider,
        embedded_stack({**settings, **_address_of(provider)}) as stack,
    ):
        with console.status("Starting redis-server, an S3 server, gunicorn, a Celery worker and beat …"):
            stack.start_all()
        console.print(
            f"Ingress on {stack.url}, S3 on {stack.s3_url}, files on {origin.url}, provider on {provider.url} "
            "(all end with this command).\n"
        )
        callbacks = sample_callbacks(origin)
        _post(console, stack, key, callbacks)
        expected = _expected(origin, callbacks) | _watch_undelivered(console, stack, provider)
        settled = _watch(console, stack, [*(parse_callback(payload).task_id for _, payload in callbacks), _UNDELIVERED])
        return _compare(console, stack, expected) and settled


def _address_of(provider: Provider) -> dict[str, str]:
    return {"STEMVAULT_PROVIDER_BASE_URL": provider.url, "STEMVAULT_PROVIDER_API_KEY": provider.key}


def _watch_undelivered(console: Console, stack: Stack, provider: Provider) -> dict[str, Expected]:
    """Have a task watched whose callback never comes, as ``stemvault watch`` does; give its files by key."""
    provider.add_task("mp4", task_id=_UNDELIVERED)
    Watches(stack.redis(), Turns(stack.redis())).add(_UNDELIVERED, "video", "watch")
    console.print(f"A task whose callback never comes, {_UNDELIVERED}, is found by asking the provider about it.\n")
    payload = callback(provider.told(_UNDELIVERED, "SUCCESS")) or {}
    expected = {}
    for asset in parse_callback(payload).assets:
        path = urlsplit(asset.url).path.removeprefix(FILES)
        fetched = partial(provider.files.fetched.__getitem__, path)
        expected[asset.key(KeyLayout())] = Expected(hashlib.sha256(provider.files.content(path)).hexdigest(), fetched)
    return expected


def _post(console: Console, stack: Stack, key: str, callbacks: list[tuple[str, dict[str, object]]]) -> None:
    for title, payload in callbacks:
        task_id, timestamp = parse_callback(payload).task_id, str(int(time.time()))
        headers = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(key, task_id, timestamp)}
        started = time.perf_counter()
        answer = requests.post(f"{stack.url}/callbacks", json=payload, headers=headers, timeout=15)
        milliseconds = (time.perf_counter() - started) * 1000
        console.print(
            f"POST /callbacks  {title:24} → {answer.status_code} {answer.text.strip()}  {milliseconds:.0f} ms"
        )
    console.print()


def _expected(origin: Origin, callbacks: list[tuple[str, dict[str, object]]]) -> dict[str, Expected]:
    layout = KeyLayout()
    expected = {}
    for _, payload in callbacks:
        for asset in parse_callback(payload).assets:
            path = asset.url.removeprefix(origin.url)
            fetched = partial(origin.fetched.__getitem__, path)
            expected[asset.key(layout)] = Expected(hashlib.sha256(origin.files[path]).hexdigest(), fetched)
    return expected


def _watch(console: Console, stack: Stack, tasks: Iterable[str]) -> bool:
    """Show the progress in the ledger until all tasks are archived, at most ``PATIENCE`` seconds."""
    ledger = Ledger(stack.redis())
    task_ids = list(dict.fromkeys(tasks))
    give_up_at = time.monotonic() + PATIENCE
    with Live(console=console, refresh_per_second=8) as live:
        while True:
            table, settled = _progress(ledger, task_ids)
            live.update(table)
            if settled or time.monotonic() > give_up_at:
                return settled
            time.sleep(0.1)


def _progress(ledger: Ledger, task_ids: list[str]) -> tuple[Table, bool]:
    table = Table("task", "stage", "archived", "bytes", "status")
    all_settled = True
    for task_id in task_ids:
        snapshot = ledger.snapshot(task_id)
        if snapshot is None:
            table.add_row(task_id, "", "", "", "waiting")
            all_settled = False
            continue
        archived = [record for record in snapshot.assets.values() if record.state == "archived"]
        size = sum(record.size or 0 for record in archived)
        state = status(snapshot)
        table.add_row(task_id, snapshot.task.stage, f"{len(archived)} / {len(snapshot.assets)}", f"{size:,}", state)
        written = snapshot.task.written == snapshot.version
        all_settled = all_settled and state == "archived" and written
    return table, all_settled


def _compare(console: Console, stack: Stack, expected: dict[str, Expected]) -> bool:
    """List the bucket beside the files that the provider served, and tell whether they are the same."""
    s3 = stack.s3()
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for item in page.get("Contents", [])
    ]
    table = Table(Column("key", overflow="fold"), "size", Column("SHA-256", overflow="fold"), "as served", "fetched")
    good = True
    for key in sorted({*keys, *expected}):
        if key.endswith("_manifest.json"):
            table.add_row(key, f"{s3.head_object(Bucket=BUCKET, Key=key)['ContentLength']:,}", "", "manifest", "")
            continue
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() if key in keys else b""
        digest = hashlib.sha256(body).hexdigest()
        wanted = expected.get(key)
        fetched = wanted.fetched() if wanted else 0
        same = wanted is not None and digest == wanted.sha256 and fetched == 1
        good = good and same
        table.add_row(key, f"{len(body):,}", digest, "[green]yes" if same else "[red]NO", str(fetched))
    console.print()
    console.print(table)
    if good:
        console.print(f"[green]All {len(expected)} assets are in the bucket, byte for byte, each fetched once.[/green]")
        console.print("Next: 'make up' keeps it running; README.md says how to point a provider at it.")
    else:
        console.print("[red]An object is missing or differs: see the table. The end of the worker's log:[/red]")
        console.print(stack.process("worker").tail(), markup=False, highlight=False, soft_wrap=True)
    return good
