"""Compares the bucket with its manifests and with the source; runs in a container of the fleet: ``compare.py ASSETS``.

Waits until this many assets are archived and the bucket has only them and their manifests. Then every object must equal
the file at its URL, and have the manifest's SHA-256.
"""

import hashlib
import json
import os
import sys
import time
import urllib.request

import boto3

_BUCKET = os.environ["STEMVAULT_S3_BUCKET"]
_PATIENCE = 90.0
s3 = boto3.client("s3")


def _look() -> tuple[dict[str, str], set[str]]:
    """Give the archived assets' SHA-256 by key, and the keys of objects that belong to no asset."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
    keys = {item["Key"] for page in pages for item in page.get("Contents", [])}
    manifests = {key for key in keys if key.endswith("_manifest.json")}
    assets = [
        asset
        for key in manifests
        for asset in json.loads(s3.get_object(Bucket=_BUCKET, Key=key)["Body"].read())["assets"].values()
    ]
    archived = {asset["key"]: asset["sha256"] for asset in assets if asset["state"] == "archived"}
    return archived, keys - manifests - archived.keys()


def _is_as_served(key: str, sha256: str) -> bool:
    found = s3.get_object(Bucket=_BUCKET, Key=key)
    body = found["Body"].read()
    with urllib.request.urlopen(found["Metadata"]["source-url"], timeout=30) as served:
        return bool(body == served.read() and hashlib.sha256(body).hexdigest() == sha256)


expected = int(sys.argv[1])
until = time.monotonic() + _PATIENCE
while (seen := _look()) and (len(seen[0]) != expected or seen[1]):
    if time.monotonic() > until:
        sys.exit(f"after {_PATIENCE:.0f} s {len(seen[0])} of {expected} are archived; beside them: {sorted(seen[1])}")
    time.sleep(0.5)
different = sorted(key for key, sha256 in seen[0].items() if not _is_as_served(key, sha256))
sys.exit(f"not as served: {different}" if different else 0)
