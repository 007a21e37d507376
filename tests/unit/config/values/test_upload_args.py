"""The arguments of ``S3_UPLOAD_ARGS`` are sent with each object, both directly and by boto3."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from app.cli.policy import least_policy
from config.settings import SettingsError
from config.values.upload_args import read_upload_args
from tests.conftest import MakeSettings
from tests.unit.bucket.test_store import write
from tests.unit.conftest import BUCKET
from tests.unit.reading import PART
from workers.bucket.checksums import checksums
from workers.bucket.store import Store
from workers.s3.client import open_client

ARGUMENTS: dict[str, str | bool] = {
    "StorageClass": "STANDARD_IA",
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/k",
    "BucketKeyEnabled": True,
    "Tagging": "kept=for%20ever",
    "CacheControl": "max-age=60",
}
MakeStore = Any


@pytest.fixture(params=["direct", "boto3"])
def make_store(request: pytest.FixtureRequest, store: Store) -> Iterator[MakeStore]:
    """Make stores, on the fixture's bucket unless another is named."""
    assert store.bucket == BUCKET
    pool = urllib3.PoolManager() if request.param == "direct" else None

    def make(bucket: str = BUCKET, **arguments: str | bool) -> Store:
        return Store(open_client(attempts=1), bucket, pool, upload_args=arguments)

    yield make
    if pool:
        pool.clear()


@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_assets_are_written_with_all_upload_args(make_store: MakeStore, size: int) -> None:
    store = make_store(**ARGUMENTS)
    write(store, bytes(size))
    head = store.client.head_object(Bucket=BUCKET, Key="k")
    # moto forgets the bucket key of a multipart upload.
    untold = {"Tagging"} if size < PART else {"Tagging", "BucketKeyEnabled"}
    assert {name: head.get(name) for name in ARGUMENTS.keys() - untold} == {
        name: ARGUMENTS[name] for name in ARGUMENTS.keys() - untold
    }
    tags = store.client.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"]
    assert tags == [{"Key": "kept", "Value": "for ever"}]
    assert store.read_text("k") == bytes(size)


def test_documents_are_written_only_with_upload_args_that_allow_reading_and_deleting(make_store: MakeStore) -> None:
    store = make_store(**ARGUMENTS)
    store.write_json("document", {})
    head = store.client.head_object(Bucket=BUCKET, Key="document")
    assert (head["ServerSideEncryption"], head.get("StorageClass"), head.get("CacheControl")) == ("aws:kms", None, None)


def test_direct_writes_send_every_upload_arg_as_boto3_does(store: Store) -> None:
    """Otherwise the store would compute another signature, and boto3 would repeat each write."""
    every = {
        **ARGUMENTS,
        "ACL": "private",
        "ContentDisposition": "attachment",
        "ContentLanguage": "en",
        "GrantFullControl": "id=1",
        "GrantRead": "id=1",
        "GrantReadACP": "id=1",
        "GrantWriteACP": "id=1",
        "ObjectLockLegalHoldStatus": "ON",
        "ObjectLockMode": "GOVERNANCE",
        "ObjectLockRetainUntilDate": "2030-12-31T00:00:00Z",
        "SSEKMSEncryptionContext": "e30=",
    }
    assert read_upload_args(every) == every
    checks = checksums(b"x", md5=True)
    sent: list[dict[str, str]] = []

    class Pool(urllib3.PoolManager):
        def urlopen(self, *_: Any, headers: dict[str, str], **__: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
            sent.append({name.lower(): value for name, value in headers.items()})
            return urllib3.HTTPResponse(status=500)

    def remember(params: dict[str, Any], **_: object) -> None:
        sent.append({name.lower(): str(value) for name, value in params["headers"].items()})

    client = open_client(attempts=1)
    client.meta.events.register("before-call.s3.PutObject", remember)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.s3.direct.PAUSE", 0.0)
        with suppress(ClientError):  # The bucket has no Object Lock.
            Store(client, store.bucket, Pool()).put("k", b"x", every | checks, if_new=False)
    directly, by_boto3 = sent
    # The signature is botocore's in both.
    for name in ("content-length", "authorization", "x-amz-date", "x-amz-content-sha256"):
        del directly[name]
    assert directly == {name: by_boto3[name] for name in directly}
    assert len(directly) == len(every | checks)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "STEMVAULT_S3_UPLOAD_ARGS: is not JSON"),
        ('["ACL"]', 'write a JSON object, such as {"StorageClass": "STANDARD_IA"}'),
        ('{"StorageClas": "STANDARD_IA"}', "StorageClas is not an allowed upload argument; did you mean StorageClass?"),
        ('{"x": "y"}', "x is not an allowed upload argument; the allowed ones are ACL, BucketKeyEnabled"),
        ('{"SSECustomerKey": "k"}', "SSECustomerKey cannot be set: reading objects back"),
        (
            '{"ContentType": "x/y", "Metadata": {}}',
            "ContentType cannot be set: Stemvault sets it for each file; Metadata cannot",
        ),
        (
            '{"StorageClass": "DEEP_ARCHIVE"}',
            "StorageClass: objects of class DEEP_ARCHIVE can be read only after a restore",
        ),
        ('{"BucketKeyEnabled": "yes"}', "BucketKeyEnabled: write true or false"),
        ('{"Tagging": 1}', "Tagging: write a string of printable ASCII"),
        ('{"ObjectLockRetainUntilDate": "2030"}', "write a time in UTC"),
    ],
)
def test_unusable_upload_args_are_refused_at_start(make_settings: MakeSettings, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        make_settings(S3_UPLOAD_ARGS=value)
    assert said in str(raised.value)


def test_the_least_policy_has_the_rights_that_the_upload_args_need(make_settings: MakeSettings) -> None:
    plain = json.dumps(least_policy(make_settings()))
    assert "Tagging" not in plain
    assert "kms" not in plain
    wanted = {**ARGUMENTS, "ACL": "private", "ObjectLockMode": "GOVERNANCE", "ObjectLockLegalHoldStatus": "ON"}
    policy = least_policy(make_settings(S3_UPLOAD_ARGS=json.dumps(wanted)))
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert {
        "s3:PutObjectTagging",
        "s3:PutObjectAcl",
        "s3:PutObjectRetention",
        "s3:PutObjectLegalHold",
        "kms:GenerateDataKey",
        "kms:Decrypt",
    } <= actions
    assert policy["Statement"][-1]["Resource"] == ARGUMENTS["SSEKMSKeyId"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1000, 2 * PART + 1])
def test_versions_default_encryption_and_object_lock_of_a_bucket_change_nothing(
    make_store: MakeStore, size: int
) -> None:
    store: Store = make_store("locked")
    store.client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    store.client.put_object_lock_configuration(
        Bucket="locked",
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}},
        },
    )
    store.client.put_bucket_encryption(
        Bucket="locked",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    first = write(store, bytes(size))
    assert write(store, b"another" + bytes(size)).sha256 == first.sha256
    store.write_json("document", {"written": "twice"})
    store.write_json("document", {})
    store.delete("document")
    assert store.read_text("document") is None
    versions = store.client.list_object_versions(Bucket="locked", Prefix="k").get("Versions", [])
    assert len(versions) == 1
