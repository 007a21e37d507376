"""The policy that ``stemvault doctor --policy`` prints is enough, shown by running all there is under it."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from app.embedded.stack import BUCKET, embedded_stack
from tests.conftest import Payload, eventually
from tests.integration.conftest import LOCAL, Service
from tests.origin import Answer, Origin, film
from tests.s3proxy import moody_bucket

PART = 5 * 1024**2
SETTINGS = {**LOCAL, "STEMVAULT_S3_PREFIX": "vault/", "STEMVAULT_PART_BYTES": str(PART), "STEMVAULT_LEASE": "5"}


def allowed_by(policy: dict[str, Any], action: str, resource: str) -> bool:
    """Read a policy as IAM does, as far as ours goes: what no statement allows is denied."""

    def listed(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in policy["Statement"]
    )


def test_all_there_is_to_do_works_with_every_other_right_denied(origin: Origin, payload: Payload) -> None:
    with embedded_stack(SETTINGS) as stack:
        stack.start_redis()
        stack.start_s3()
        with moody_bucket(stack.s3_port) as bucket:
            endpoint = {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{bucket.port}"}
            stack.group.environment = {**stack.group.environment, **endpoint}

            def stemvault(*arguments: str) -> str:
                command = [str(Path(sys.executable).parent / "stemvault"), *arguments]
                environment = {**os.environ, **stack.group.environment}
                return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout

            policy = json.loads(stemvault("doctor", "--policy"))
            bucket.allows = lambda action, resource: allowed_by(policy, action, resource)
            assert not bucket.allows("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/vault/t/t_video.mp4")
            assert not bucket.allows("s3:PutObject", f"arn:aws:s3:::{BUCKET}/elsewhere/t_video.mp4")
            stemvault("doctor")
            stack.start_ingress()
            stack.start_worker()
            stack.start_beat()
            service = Service(stack)
            video = payload("video", origin.url)
            path = video["data"]["video_url"].removeprefix(origin.url)
            whole = film(3 * PART)
            # Cut off in its second part, so that an upload is aborted; then whole.
            origin.serve(path, Answer(whole, cut_at=PART + 99), whole)
            stack.process("redis").kill()
            assert service.post(video).ok
            stack.restart("redis")
            task = video["data"]["task_id"]
            assert eventually(lambda: service.snapshot(task), patience=60)
            assert service.settled(task, patience=60).assets["video"]["state"] == "archived"
            assert service.post({"code": 200, "data": {"task_id": "odd", "novelty": 1}}).ok
            odd = eventually(lambda: list(service.objects("vault/_unrecognized/")), patience=30)
            stemvault("replay", odd[0].removeprefix("vault/"))
            stack.redis().flushall()
            assert service.post(video).ok
            assert service.settled(task).assets["video"]["state"] == "archived"
            stack.redis().flushall()
            stack.s3().delete_object(Bucket=BUCKET, Key=f"vault/{task}/{task}_manifest.json")
            assert service.post(video).ok
            # Nobody remembers the task; what stands under its key is found by 412 and read back.
            assert service.settled(task, patience=60).assets["video"]["state"] == "archived"
            assert service.objects(f"vault/{task}/{task}_video.mp4").popitem()[1] == whole
        assert bucket.denied == []
