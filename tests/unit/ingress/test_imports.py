"""The ingress loads no code that only transfers need. Libraries import lazily, which import-linter cannot see."""

import json
import os
import subprocess
import sys

import pytest

_RUN = """
import json, sys
from app import create_app

client = create_app().test_client()
statuses = [
    client.post("/callbacks", json={"data": {"task_id": "t"}}).status_code,
    client.get("/readyz").status_code,
    client.get("/metrics").status_code,
]
print(json.dumps({"statuses": statuses, "modules": sorted(sys.modules)}))
"""
#: Each with everything below it.
_FORBIDDEN = ("boto3", "requests", "s3transfer", "workers.archive", "workers.context", "workers.source")


@pytest.mark.slow
def test_an_ingress_that_has_served_requests_has_loaded_neither_requests_nor_a_transfer_path(
    pytestconfig: pytest.Config,
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STEMVAULT_", "AWS_"))}
    environment |= {
        "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0",
        "STEMVAULT_S3_BUCKET": "vault",
        "STEMVAULT_ALLOW_UNSIGNED": "true",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    command = [sys.executable, "-c", _RUN]
    done = subprocess.run(
        command, cwd=pytestconfig.rootpath, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["statuses"] == [503, 503, 200]
    assert "botocore.client" in told["modules"]
    loaded = [name for name in told["modules"] if _is_forbidden(name)]
    assert loaded == []


def _is_forbidden(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in _FORBIDDEN)
