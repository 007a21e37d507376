"""How much memory a worker needs for an asset, as a ratio to the size of a part."""

import os
from uuid import uuid4

from app.embedded.stack import BUCKET, embedded_stack
from tests.benchmarks.growth import redis_bytes_of
from tests.benchmarks.measuring import Growth
from tests.conftest import Payload
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film

PART = 8 * 1024**2
LARGE = 300 * 1024**2


def test_an_asset_of_300_mb_costs_a_worker_at_most_four_parts_of_memory(origin: Origin, payload: Payload) -> None:
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

        task = uuid4().hex
        service.post({**payload("lyrics"), "data": {**payload("lyrics")["data"], "task_id": task}})
        service.settled(task)  # the worker has opened its clients, and has not seen a file
        growth = Growth(worker.pid)
        task = archive(large)
        grown = growth.bytes()
        head = stack.s3().head_object(Bucket=BUCKET, Key=f"{task}/{task}_video.mp4")
    assert head["ContentLength"] == LARGE
    print(f"\nA worker grew by {grown / PART:.2f} parts of {PART} bytes for an asset of {LARGE} bytes.")
    assert grown <= 4 * PART


def test_a_task_with_one_asset_in_flight_takes_at_most_a_kilobyte_of_redis() -> None:
    # This number almost fills Redis's hash tables, which grow by doubling.
    in_flight, _ = redis_bytes_of(12_000, stems=1, compact=1024)
    assert in_flight <= 1024
