"""``stemvault demo``: archive sample callbacks with real processes and compare the objects byte for byte."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from app.embedded.origin import SONG_SECONDS, Origin, film, picture, running_origin, song
from app.embedded.stack import BUCKET, Stack, embedded_stack
from app.ingress.authentication import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from config.layout import KeyLayout
from workers.callbacks import parse_callback
from workers.ledger.ledger import Ledger
from workers.manifest import status

#: Seconds to wait until all assets are archived.
PATIENCE = 60.0
_STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
)  # fmt: skip


@dataclass(frozen=True)
class Expected:
    """An object that must be in the bucket: its content's SHA-256 and the path it came from."""

    sha256: str
    path: str


def run_demo(console: Console) -> bool:
    """Run the demo and tell whether every asset is in the bucket, byte for byte, and was fetched only once."""
    key = secrets.token_urlsafe(24)
    settings = {
        "STEMVAULT_WEBHOOK_HMAC_KEYS": key,
        "STEMVAULT_ALLOW_PRIVATE_ADDRESSES": "true",
        "STEMVAULT_ALLOWED_ASSET_PORTS": "*",
    }
    with running_origin() as origin, embedded_stack(settings) as stack:
        with console.status("Starting redis-server, an S3 server, gunicorn, a Celery worker and beat …"):
            stack.start_all()
        console.print(
            f"Ingress on {stack.url}, S3 on {stack.s3_url}, provider on {origin.url} (all end with this command).\n"
        )
        callbacks = _callbacks(origin)
        _post(console, stack, key, callbacks)
        expected = _expected(origin, callbacks)
        settled = _watch(console, stack, callbacks)
        return _compare(console, stack, origin, expected) and settled


def _callbacks(origin: Origin) -> list[tuple[str, dict[str, object]]]:
    """Make the provider's callbacks: two separations, a music task in its stages with a repeat, a job, a video."""
    stems = {f"{stem}_url": origin.serve(f"/s/{stem}.mp3", song(stem)) for stem in _STEMS}
    tracks = [_track(origin, track_id) for track_id in ("7d1f3c52-0b7e", "c2a98e77-5f10")]
    split = {"task_id": "demo-split", "vocal_removal_info": {"origin_url": "", **stems}}
    pair = {f"{stem}_url": origin.serve(f"/k/two_{stem}.mp3", song(f"k {stem}")) for stem in ("vocal", "instrumental")}
    separation = {"task_id": "demo-separation", "vocal_separation_info": {"origin_url": "", **pair}}
    video = {"task_id": "demo-video", "video_url": origin.serve("/v/clip.mp4", film())}
    complete = ("music, complete", _music("complete", tracks))
    return [
        ("split_stem, 12 stems", _envelope(split)),
        ("music, text", _music("text", [])),
        ("music, first", _music("first", tracks[:1])),
        complete,
        ("music, complete again", complete[1]),
        ("vocal_separation_info", _envelope(separation)),
        ("jobs, a music model", _envelope(_job(origin))),
        ("video", _envelope(video)),
    ]


def _job(origin: Origin) -> dict[str, object]:
    """Make a task of the jobs API: its result is JSON inside a string, and URLs of the request are not fetched."""
    names = ("audio_url", "stream_audio_url", "image_url")
    tracks = [_track(origin, f"job-{number}") for number in (1, 2)]
    result = {"code": 200, "data": [{name: track[name] for name in ("id", "duration", *names)} for track in tracks]}
    request = {"prompt": "a quay at dusk", "uploadUrl": f"{origin.url}/uploaded-by-the-customer.mp3"}
    return {
        "taskId": "demo-job",
        "state": "success",
        "model": "ai-music-api/generate",
        "param": json.dumps({"input": request}),
        "resultJson": json.dumps(result),
    }


def _track(origin: Origin, track_id: str) -> dict[str, object]:
    audio = {
        "audio_url": f"/a/{track_id}.mp3",
        "source_audio_url": f"/src/{track_id}.mp3",
        "stream_audio_url": f"/stream/{track_id}",
        "source_stream_audio_url": f"/src-stream/{track_id}",
    }
    images = {"image_url": f"/img/{track_id}.jpeg", "source_image_url": f"/src-img/{track_id}.jpeg"}
    urls = {name: origin.serve(path, song(path)) for name, path in audio.items()}
    urls |= {name: origin.serve(path, picture(path)) for name, path in images.items()}
    return {"id": track_id, "title": "夜航", "duration": SONG_SECONDS, **urls}


def _music(stage: str, tracks: list[dict[str, object]]) -> dict[str, object]:
    return _envelope({"callbackType": stage, "task_id": "demo-music", "data": tracks})


def _envelope(data: Mapping[str, object]) -> dict[str, object]:
    return {"code": 200, "msg": "All generated successfully.", "data": data}


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
            expected[asset.key(layout)] = Expected(hashlib.sha256(origin.files[path]).hexdigest(), path)
    return expected


def _watch(console: Console, stack: Stack, callbacks: list[tuple[str, dict[str, object]]]) -> bool:
    """Show the progress in the ledger until all tasks are archived, at most ``PATIENCE`` seconds."""
    ledger = Ledger(stack.redis())
    task_ids = list(dict.fromkeys(parse_callback(payload).task_id for _, payload in callbacks))
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


def _compare(console: Console, stack: Stack, origin: Origin, expected: dict[str, Expected]) -> bool:
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
        fetched = origin.fetched[wanted.path] if wanted else 0
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
