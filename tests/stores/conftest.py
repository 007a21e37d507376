"""Runs OpenStack Swift, a store that checks signatures and checksums, which moto does not."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from app.embedded.processes import free_port, process_group, wait_until
from tests.unit.conftest import clock
from workers.bucket.store import Store
from workers.s3.client import open_client

__all__ = ["clock"]

ROOT = Path(__file__).parents[2]
BUCKET = "vault"
_ENVIRONMENT = ROOT / ".venv" / "swift"
_ATTRIBUTE = "user.stemvault"


@pytest.fixture(scope="session")
def swift_url() -> Iterator[str]:
    """Run Swift. Its environment is made first, unless ``make test`` has made it."""
    command = ["make", "--silent", f"PYTHON={sys.executable}", ".venv/swift/ready"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    with _folder_with_attributes() as folder, process_group({"PATH": os.environ["PATH"]}) as group:
        port = free_port()
        serve = str(Path(__file__).parent / "swift" / "serve.py")
        process = group.start("swift", [str(_ENVIRONMENT / "bin" / "python"), serve, str(folder), str(port)])
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(f"{url}/", timeout=1).status_code, "answer", process)
        yield url


@contextmanager
def _folder_with_attributes() -> Iterator[Path]:
    """Make a folder on a file system with extended attributes. A temporary file system in memory may have none."""
    for parent in (tempfile.gettempdir(), ROOT):
        with tempfile.TemporaryDirectory(prefix="swift-", dir=parent, ignore_cleanup_errors=True) as folder:
            try:
                os.setxattr(folder, _ATTRIBUTE, b"")
            except OSError:
                continue
            yield Path(folder)
            return
    pytest.fail("Swift needs a file system with extended attributes, in the temporary folder or here.")


@pytest.fixture
def store(swift_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Make an empty bucket in Swift."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", swift_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test:testing")
    client = open_client(attempts=1)
    if BUCKET in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        for upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
    else:
        client.create_bucket(Bucket=BUCKET)
    return Store(client, BUCKET)
