"""One video's way, for the tests that follow it: its names, and what the fleet does with tickets."""

from uuid import uuid4

from tests.origin import film
from tests.unit.conftest import Sent
from workers.archive import archive_next
from workers.assets import AssetId
from workers.queues import ASSET_QUEUES
from workers.vault import Vault

VIDEO = AssetId("taskId_c20ad4d76fe9", "video")
KEY = "taskId_c20ad4d76fe9/taskId_c20ad4d76fe9_video.mp4"
PATH = "/videos/video_c20ad4d76fe9.mp4"
PART = 5 * 1024**2
GOOD = film(2 * PART)


def stored(vault: Vault, key: str = KEY) -> bytes | None:
    return vault.store.read_text(key)


def state(vault: Vault, asset: AssetId = VIDEO) -> tuple[str | None, str | None]:
    record = vault.ledger.asset(asset)
    return record.get("state"), record.get("error")


def run(vault: Vault, sent: Sent) -> None:
    """Do what the fleet would do with what was sent."""
    for _ in sent.take():
        while archive_next(vault, ASSET_QUEUES, uuid4().hex) and not vault.must_stop():
            pass
