"""The policy of ``stemvault doctor --policy`` suffices: all processes run with every other right denied."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from app.embedded.stack import BUCKET, Stack, embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film
from tests.s3proxy import Bucket, moody_bucket

PART = 5 * 1024**2
SETTINGS = {**LOCAL, "STEMVAULT_S3_PREFIX": "archive/", "STEMVAULT_PART_BYTES": str(PART), "STEMVAULT_LEASE": "5"}


def allowed_by(policy: dict[str, Any], action: str, resource: str) -> bool:
    """Evaluate a policy as IAM does, as far as ours needs: an action is denied unless a statement allows it."""

    def listed(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in policy["Statement"]
    )


def stemvault(stack: Stack, *arguments: str) -> str:
    """Run the command on the stack; it must succeed. Give what it prints."""
    command = [str(Path(sys.executable).parent / "stemvault"), *arguments]
    environment = {**os.environ, **stack.group.environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


@pytest.fixture
def bucket_with_policy() -> Iterator[tuple[Stack, Bucket]]:
    """Run Redis and S3, with a bucket that denies every right that the policy does not grant."""
    with embedded_stack(SETTINGS) as stack:
        stack.start_redis()
        stack.start_s3()
        with moody_bucket(stack.s3_port) as bucket:
            endpoint = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{bucket.port}"}
            stack.group.environment = {**stack.group.environment, **endpoint}
            policy = json.loads(stemvault(stack, "doctor", "--policy"))
            bucket.allows = lambda action, resource: allowed_by(policy, action, resource)
            assert not bucket.allows("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/archive/t/t_video.mp4")
            assert not bucket.allows("s3:PutObject", f"arn:aws:s3:::{BUCKET}/elsewhere/t_video.mp4")
            yield stack, bucket


def test_every_operation_works_with_the_least_policy_alone(
    bucket_with_policy: tuple[Stack, Bucket], origin: Origin, payload: Payload
) -> None:
    stack, bucket = bucket_with_policy
    stemvault(stack, "doctor")
    stack.start_ingress()
    stack.start_worker()
    stack.start_beat()
    service = Service(stack)
    video = payload("video", origin.url)
    path = video["data"]["video_url"].removeprefix(origin.url)
    whole = film(3 * PART)
    # The first answer ends in the second part, so that an upload is aborted; the second answer is whole.
    origin.serve(path, Answer(whole, cut_at=PART + 99), whole)
    stack.process("redis").kill()
    assert service.post(video).ok
    stack.restart("redis")
    task = video["data"]["task_id"]
    assert eventually(lambda: service.snapshot(task), patience=60)
    assert service.settled(task, patience=60).assets["video"].state == "archived"
    assert service.post({"code": 200, "data": {"task_id": "odd", "novelty": 1}}).ok
    odd = eventually(lambda: list(service.objects("archive/_unrecognized/")), patience=30)
    stemvault(stack, "replay", odd[0].removeprefix("archive/"))
    stack.redis().flushall()
    assert service.post(video).ok
    assert service.settled(task).assets["video"].state == "archived"
    stack.redis().flushall()
    stack.s3().delete_object(Bucket=BUCKET, Key=f"archive/{task}/{task}_manifest.json")
    assert service.post(video).ok
    # Neither Redis nor a manifest knows the task; S3 answers 412 for its object, which is then read back.
    assert service.settled(task, patience=60).assets["video"].state == "archived"
    assert service.objects(f"archive/{task}/{task}_video.mp4").popitem()[1] == whole
    assert bucket.denied == []
