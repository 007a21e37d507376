"""How much memory a worker needs for an asset, as a ratio to the size of a part."""

import os
from pathlib import Path
from uuid import uuid4

from app.operate.embedded import BUCKET, embedded_stack
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film

PART = 8 * 1024**2
LARGE = 300 * 1024**2


def peak(pid: int) -> int:
    """Give the largest resident size, in bytes, that a process or one of its children has had."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max(_peak_of_one(each) for each in [str(pid), *children])


def _peak_of_one(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def test_an_asset_of_300_mb_costs_a_worker_at_most_four_parts_of_memory(origin: Origin) -> None:
    small = film(PART // 2)
    large = small + os.urandom(LARGE - len(small))
    with embedded_stack({**LOCAL, "STEMVAULT_PART_BYTES": str(PART)}) as stack:
        stack.start_redis()
        stack.start_s3()
        stack.start_ingress()
        worker = stack.start_worker("worker", "--concurrency", "1")
        stack.start_beat()
        service = Service(stack)

        def archive(content: bytes) -> str:
            task = uuid4().hex
            url = origin.serve(f"/{task}", Answer(content, piece=1024**2))
            service.post({"code": 200, "msg": "", "data": {"task_id": task, "video_url": url}})
            service.settled(task, patience=90)
            return task

        archive(small)
        before = peak(worker.pid)
        task = archive(large)
        grown = peak(worker.pid) - before
        head = stack.s3().head_object(Bucket=BUCKET, Key=f"{task}/{task}_video.mp4")
    assert head["ContentLength"] == LARGE
    print(f"\nA worker grew by {grown / PART:.2f} parts of {PART} bytes for an asset of {LARGE} bytes.")  # noqa: T201
    assert grown <= 4 * PART
