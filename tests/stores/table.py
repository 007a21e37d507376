"""Prints a row of the compatibility table in ``docs/stores.md`` for each store, from ``stemvault doctor --json``.

    python -m tests.stores.table "Swift 2.38.3" http://127.0.0.1:8080 test:testing testing

Arguments: name, endpoint and keys of each store. The bucket ``stemvault`` is created there.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import boto3
from botocore.exceptions import ClientError

_BUCKET = "stemvault"
_COLUMNS = {
    "checksum_on_put": "checksum on put",
    "checksum_on_part": "checksum on part",
    "condition_on_put": "condition on put",
    "rivals": "of two at once",
    "condition_on_complete": "condition on complete",
    "metadata": "metadata",
    "direct": "direct",
    "lifecycle": "lifecycle",
}
#: Whether a store knows lifecycle rules.
_RULES = {True: "known", False: "unknown"}


def row(name: str, url: str, access_key: str, secret_key: str) -> str:
    """Examine a store and return its row."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "STEMVAULT_S3_BUCKET": _BUCKET,
        "STEMVAULT_REDIS_URL": "redis://127.0.0.1:1/0",
        "STEMVAULT_ALLOW_UNSIGNED": "true",
    }
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
    )
    with suppress(ClientError):
        client.create_bucket(Bucket=_BUCKET)
    doctor = [sys.executable, "-c", "from app.cli.main import main; main()", "doctor", "--json"]
    done = subprocess.run(doctor, env=environment, capture_output=True, text=True, check=False)
    findings = {each["name"]: each for each in json.loads(done.stdout)}
    return f"| {name} | {' | '.join(_cell(findings, column) for column in _COLUMNS)} |"


def _cell(findings: dict[str, dict[str, Any]], name: str) -> str:
    finding = findings.get(name)
    if finding is None:
        return ""
    if name == "lifecycle":
        return _RULES["add a lifecycle rule" in finding["advice"] or finding["good"]]
    if name == "rivals":
        return "one is refused" if finding["good"] else "**both told 200**"
    word = finding["value"] or finding["verdict"]
    return word if finding["good"] else f"**{word}**"


def main() -> None:
    """Print the table."""
    print(f"| store | {' | '.join(_COLUMNS.values())} |")
    print("|---" * (len(_COLUMNS) + 1) + "|")
    given = iter(sys.argv[1:])
    for name, url, access_key, secret_key in zip(given, given, given, given, strict=True):
        print(row(name, url, access_key, secret_key), flush=True)


if __name__ == "__main__":
    main()
