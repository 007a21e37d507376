"""A video and a song for the tests that follow an asset: names, callbacks, and the fleet's work in this process."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.origin import Origin, film, song
from tests.unit.conftest import Clock, Sent
from tests.unit.reading import PART
from workers.archive import archive_next
from workers.callbacks.assets import AssetId
from workers.clock.sweep import sweep
from workers.context import WorkerContext
from workers.dispatch.queues import ASSET_QUEUES

VIDEO = AssetId("taskId_c20ad4d76fe9", "video")
KEY = "taskId_c20ad4d76fe9/taskId_c20ad4d76fe9_video.mp4"
PATH = "/videos/video_c20ad4d76fe9.mp4"
GOOD = film(2 * PART)

TRACK = AssetId("t", "i/cover")
TRACK_KEY = "t/i/t_cover.mp3"
WHOLE, CUT = song("whole", 98), song("whole", 90)
"""199.7 and 183.4 seconds."""

_MEDIA_FILES = Path(__file__).parent.parent / "media"


def stored(context: WorkerContext, key: str = KEY) -> bytes | None:
    return context.store.read_text(key)


def state(context: WorkerContext, asset: AssetId = VIDEO) -> tuple[str | None, str | None]:
    record = context.ledger.asset(asset)
    return record.state, record.error


def run(context: WorkerContext, sent: Sent) -> None:
    """Do the work of the fleet for each wake-up message that was sent."""
    for _ in sent.take():
        while archive_next(context, ASSET_QUEUES, uuid4().hex) and not context.must_stop():
            pass


def check_stored_after(seconds: float, context: WorkerContext, clock: Clock, sent: Sent) -> None:
    """Move the clock: no worker is woken a second before ``seconds``, and the video is stored a second after."""
    clock.advance(seconds - 1)
    sweep(context)
    assert sent.take() == []
    clock.advance(2)
    sweep(context)
    run(context, sent)
    assert stored(context) == GOOD


def media(name: str) -> bytes:
    """Read a real media file."""
    return (_MEDIA_FILES / name).read_bytes()


def announce(origin: Origin, seconds: object = 198.44, path: str = "/song.mp3") -> str:
    """Give a callback that names the track's song, and how many seconds it has."""
    track = {"id": "i", "audio_url": origin.url + path, "duration": seconds}
    return json.dumps({"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": [track]}})


def video_in_manifest(context: WorkerContext) -> dict[str, Any]:
    manifest = json.loads(stored(context, KEY.replace("video.mp4", "manifest.json")) or b"")
    found: dict[str, Any] = manifest["assets"]["video"]
    return found


def track_in_manifest(context: WorkerContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stored(context, "t/t_manifest.json") or b"")["assets"]["i/cover"]
    return found


def partials(context: WorkerContext) -> list[str]:
    """Name the partial files in the bucket."""
    return context.store.list("_partial/", limit=10)
