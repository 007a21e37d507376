"""Findings of ``stemvault doctor`` about stores that differ from S3."""

import json
from collections.abc import Iterator

import pytest

from app.cli.doctor.finding import Finding
from app.cli.doctor.store.bucket import examine_bucket
from tests.conftest import MakeSettings
from tests.s3proxy import Bucket, moody_bucket
from tests.unit.conftest import BUCKET
from workers.bucket.store import Store

CHECKS_ALL = {"put crc32c", "part crc32c", "put md5", "part md5"}


@pytest.fixture
def habits(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Run a store whose behaviour the test sets; by default it compares all checksums."""
    with moody_bucket(int(store.client.meta.endpoint_url.rpartition(":")[2])) as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{bucket.port}")
        bucket.checks = CHECKS_ALL
        yield bucket


def found(make_settings: MakeSettings, **settings: str) -> dict[str, Finding]:
    return {each.name: each for each in examine_bucket(make_settings(**settings))}


@pytest.mark.slow
def test_a_store_that_does_all_gets_no_warning_but_for_lifecycle_rules(
    habits: Bucket, make_settings: MakeSettings, store: Store
) -> None:
    findings = found(make_settings)
    assert [name for name, each in findings.items() if not each.good] == ["lifecycle"]
    assert findings.keys() == {
        "bucket_reachable", "put", "get", "multipart", "checksum_on_put", "condition_on_put", "rivals",
        "checksum_on_part", "condition_on_complete", "metadata", "direct", "lifecycle", "delete",
    }  # fmt: skip
    assert store.list("", limit=10) == []
    assert store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert habits.denied == []


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "name"), [("put", "checksum_on_put"), ("part", "checksum_on_part")])
def test_each_checksum_is_tried_by_a_wrong_one(
    habits: Bucket, make_settings: MakeSettings, operation: str, name: str
) -> None:
    habits.checks = CHECKS_ALL - {f"{operation} crc32c"}
    finding = found(make_settings)[name]
    assert (finding.verdict, finding.value, "it ignores CRC-32C" in finding.what) == ("ok", "md5", True)
    habits.checks = CHECKS_ALL - {f"{operation} crc32c", f"{operation} md5"}
    finding = found(make_settings)[name]
    assert (finding.verdict, "accepts a body that contradicts its checksum" in finding.advice) == ("warn", True)


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "name"), [("put", "condition_on_put"), ("complete", "condition_on_complete")])
def test_each_condition_is_tried_where_an_object_stands(
    habits: Bucket, make_settings: MakeSettings, operation: str, name: str
) -> None:
    habits.ignores = {operation}
    finding = found(make_settings)[name]
    assert (finding.verdict, "It ignores the condition" in finding.advice) == ("warn", True)
    habits.ignores, habits.refuses = set(), {operation}
    finding = found(make_settings)[name]
    assert (finding.verdict, "It refuses the condition" in finding.advice) == ("warn", True)


@pytest.mark.slow
def test_upload_args_are_tried(habits: Bucket, make_settings: MakeSettings) -> None:
    wanted = json.dumps({"Tagging": "a=b"})
    assert found(make_settings, S3_UPLOAD_ARGS=wanted)["upload_args"].verdict == "ok"
    habits.refuses_headers = {"x-amz-tagging"}
    finding = found(make_settings, S3_UPLOAD_ARGS=wanted)["upload_args"]
    assert (finding.verdict, "501 NotImplemented" in finding.advice) == ("fail", True)


@pytest.mark.slow
def test_upload_args_are_blamed_when_the_bucket_takes_the_object_without_them(
    habits: Bucket, make_settings: MakeSettings
) -> None:
    habits.refuses_headers = {"x-amz-tagging"}
    findings = found(make_settings, S3_UPLOAD_ARGS=json.dumps({"Tagging": "a=b"}))
    failed = {name: each.advice for name, each in findings.items() if each.verdict == "fail"}
    assert failed.keys() == {"put", "upload_args"}
    for advice in failed.values():
        assert "STEMVAULT_S3_UPLOAD_ARGS" in advice
        assert "AWS_ENDPOINT_URL_S3" not in advice


def test_the_json_of_a_finding_has_its_name_and_verdict() -> None:
    finding = Finding("put", "bucket takes an object", good=False, advice="mend it", warning=True)
    assert finding.as_json() == {
        "name": "put",
        "what": "bucket takes an object",
        "good": False,
        "advice": "mend it",
        "warning": True,
        "value": "",
        "verdict": "warn",
    }
