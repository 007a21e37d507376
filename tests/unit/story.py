"""One video's way, for the tests that follow it: its names, and what the fleet does with tickets."""

from uuid import uuid4

from tests.origin import film
from tests.unit.conftest import Sent
from workers.archive import archive_next
from workers.callbacks.assets import AssetId
from workers.context import WorkerContext
from workers.dispatch.queues import ASSET_QUEUES

VIDEO = AssetId("taskId_c20ad4d76fe9", "video")
KEY = "taskId_c20ad4d76fe9/taskId_c20ad4d76fe9_video.mp4"
PATH = "/videos/video_c20ad4d76fe9.mp4"
PART = 5 * 1024**2
GOOD = film(2 * PART)


def stored(context: WorkerContext, key: str = KEY) -> bytes | None:
    return context.store.read_text(key)


def state(context: WorkerContext, asset: AssetId = VIDEO) -> tuple[str | None, str | None]:
    record = context.ledger.asset(asset)
    return record.get("state"), record.get("error")


def run(context: WorkerContext, sent: Sent) -> None:
    """Do what the fleet would do with what was sent."""
    for _ in sent.take():
        while archive_next(context, ASSET_QUEUES, uuid4().hex) and not context.must_stop():
            pass
