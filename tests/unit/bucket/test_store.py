import hashlib
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.unit.reading import PART, parts_of
from workers.bucket.guarantees import OF_AWS
from workers.bucket.store import NewObject, Store, Stored
from workers.connections.attempt import cut_off_after
from workers.errors import AssetError, LeaseLostError, PermanentError, TransientError
from workers.s3.client import open_client
from workers.transfer.parts import Digest, Part


class Holding:
    """A hold that is lost only if ``lost`` is set. It lists the uploads that have not ended, and those left behind."""

    def __init__(self, *, lost: bool = False) -> None:
        self.lost = lost
        self.uploads: list[str] = []
        self.left: list[str] = []

    def alive(self) -> None:
        if self.lost:
            raise LeaseLostError

    def upload_began(self, upload: str) -> None:
        self.uploads[:] = [upload]

    def upload_left(self) -> None:
        self.left.append(self.uploads.pop())

    def upload_ended(self) -> None:
        self.uploads.pop()


def write(store: Store, content: bytes, hold: Holding | None = None, **metadata: str) -> Stored:
    digest = Digest()
    parts = parts_of(content, digest)
    hold = hold or Holding()
    stored = store.write_once(NewObject("k", "audio/mpeg", metadata), parts, digest, hold)
    assert hold.uploads == []
    return stored


def uploads(store: Store) -> list[Any]:
    return store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART - 1, 3 * PART, 3 * PART + 1])
def test_every_size_around_the_parts_is_stored_whole(store: Store, size: int) -> None:
    content = random.Random(size).randbytes(size)
    stored = write(store, content)
    assert store.client.get_object(Bucket=store.bucket, Key="k")["Body"].read() == content
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert uploads(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [PART, 2 * PART + 1])
def test_an_existing_object_is_never_overwritten_and_its_checksum_is_reported(store: Store, size: int) -> None:
    first = random.Random(1).randbytes(size)
    write(store, first)
    again = write(store, random.Random(2).randbytes(size))
    assert (again.sha256, again.found) == (hashlib.sha256(first).hexdigest(), "different")
    assert write(store, first).found == "same"
    assert store.client.get_object(Bucket=store.bucket, Key="k")["Body"].read() == first
    assert uploads(store) == []


def test_an_object_that_contradicts_its_own_metadata_is_told_from_another_one(store: Store) -> None:
    store.client.put_object(Bucket=store.bucket, Key="k", Body=b"flipped", Metadata={"sha256": "0" * 64})
    assert write(store, b"whole").found == "damaged"


def test_an_object_says_what_it_is_and_where_it_came_from(store: Store) -> None:
    stored = write(store, b"x" * 10, stem="cover")
    head = store.client.head_object(Bucket=store.bucket, Key="k")
    assert head["ContentType"] == "audio/mpeg"
    assert store.metadata("k") == {"stem": "cover", "sha256": stored.sha256}


class _BrokenError(Exception):
    pass


def _breaking_off(content: bytes, after: int) -> Iterator[Part]:
    for number, part in enumerate(parts_of(content)):
        if number == after:
            raise _BrokenError
        yield part


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_body_that_breaks_off_leaves_no_object_and_no_upload(store: Store, after: int) -> None:
    hold = Holding()
    with pytest.raises(_BrokenError):
        store.write_once(NewObject("k", "x", {}), _breaking_off(bytes(4 * PART), after), Digest(), hold)
    assert hold.uploads == []
    assert not store.exists("k")
    assert uploads(store) == []


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
def test_a_store_that_fails_in_the_middle_leaves_no_object_and_no_upload(store: Store, operation: str) -> None:
    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://s3.test")

    store.client.meta.events.register(f"before-call.s3.{operation}", fail)
    with pytest.raises(TransientError) as raised:
        write(store, bytes(3 * PART))
    assert raised.value.reason == "store_unavailable"
    assert not store.exists("k")
    assert uploads(store) == []


@pytest.mark.parametrize("size", [PART - 1, 3 * PART])
def test_a_writer_that_loses_its_lease_leaves_no_object_and_no_upload(store: Store, size: int) -> None:
    with pytest.raises(LeaseLostError):
        write(store, bytes(size), Holding(lost=True))
    assert not store.exists("k")
    assert uploads(store) == []


def _refusing(store: Store, status: int, code: str, *, all_writes: bool = False) -> list[str]:
    """Make the store refuse conditional writes, or all writes, and record the operations."""
    asked: list[str] = []

    def answer(model: Any, params: dict[str, Any], **_: object) -> None:
        asked.append(model.name)
        if "If-None-Match" in params["headers"] or (all_writes and model.name == "PutObject"):
            said = {"Code": code, "Message": "so says the store"}
            error = {"Error": said, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(error, model.name)  # type: ignore[arg-type]  # the stubs want the whole of it

    store.client.meta.events.register("before-call.s3", answer)
    return asked


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (400, "InvalidArgument"), (400, "NotImplemented")]
)
@pytest.mark.parametrize("size", [10, 2 * PART + 1])
def test_a_store_without_conditional_writes_is_asked_before_the_write(
    store: Store, size: int, status: int, code: str
) -> None:
    first = random.Random(1).randbytes(size)
    asked = _refusing(store, status, code)
    write(store, first)
    assert "HeadObject" in asked
    again = write(store, random.Random(2).randbytes(size))
    assert again.sha256 == hashlib.sha256(first).hexdigest()


def test_a_store_that_refuses_for_another_reason_is_not_taken_for_one_without_conditions(store: Store) -> None:
    asked = _refusing(store, 400, "InvalidArgument", all_writes=True)
    with pytest.raises(TransientError, match="store_unavailable") as raised:
        write(store, b"x")
    # Examined with and without a condition; then written as to an unknown store.
    assert asked == ["PutObject", "PutObject", "DeleteObject", "HeadObject", "PutObject"]
    assert raised.value.detail == "S3 answered 400 InvalidArgument to PutObject: so says the store"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "MetadataTooLarge", PermanentError),
        (400, "EntityTooLarge", PermanentError),
        (400, "ExpiredToken", TransientError),
        (400, "BadDigest", TransientError),
        (403, "AccessDenied", TransientError),
        (404, "NoSuchBucket", TransientError),
        (503, "SlowDown", TransientError),
    ],
)
def test_store_errors_are_permanent_unless_a_retry_or_an_operator_can_help(
    store: Store, status: int, code: str, error: type[AssetError]
) -> None:
    _refusing(store, status, code, all_writes=True)
    with pytest.raises(error):
        write(store, b"x")


@pytest.mark.parametrize("status", [404, 405, 501])
def test_an_upload_that_is_gone_or_that_the_store_cannot_abort_is_not_tried_again(store: Store, status: int) -> None:
    def answer(model: Any, **_: object) -> None:
        error = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(error, model.name)  # type: ignore[arg-type]  # the stubs want the whole of it

    store.client.meta.events.register("before-call.s3.AbortMultipartUpload", answer)
    store.abort("id key")


def test_names_of_metadata_are_compared_without_case(store: Store) -> None:
    store.client.put_object(Bucket=store.bucket, Key="k", Body=b"x")
    store.client.meta.events.register(
        "after-call.s3.HeadObject", lambda parsed, **_: parsed.update(Metadata={"Why": "so", "SHA256": "ab"})
    )
    assert store.metadata("k") == {"why": "so", "sha256": "ab"}


@pytest.mark.parametrize(("size", "operation"), [(10, "PutObject"), (2 * PART, "CompleteMultipartUpload")])
def test_the_second_of_two_concurrent_writers_changes_nothing_and_reports_the_first_object(
    store: Store, size: int, operation: str
) -> None:
    other = open_client(attempts=1)
    rival = random.Random(1).randbytes(size)
    rivals = [rival]

    def write_first(**_: object) -> None:
        if rivals:
            other.put_object(Bucket=store.bucket, Key="k", Body=rivals.pop())

    store.client.meta.events.register(f"before-call.s3.{operation}", write_first)
    assert write(store, random.Random(2).randbytes(size)).sha256 == hashlib.sha256(rival).hexdigest()
    assert store.read_text("k") == rival
    assert uploads(store) == []


def test_the_upload_of_an_attempt_that_is_cut_off_is_aborted(store: Store) -> None:
    store, hold = Store(store.client, store.bucket, known=OF_AWS), Holding()
    with cut_off_after(60) as attempt:

        def cut(**_: object) -> None:
            attempt.cut()

        store.client.meta.events.register("before-call.s3.UploadPart", cut)
        with pytest.raises(TransientError):
            write(store, bytes(2 * PART), hold)
    assert (hold.uploads, hold.left) == ([], [])
    assert store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []) == []


def test_an_orphaned_upload_can_be_aborted_by_its_id_and_key_more_than_once(store: Store) -> None:
    upload_id = store.client.create_multipart_upload(Bucket=store.bucket, Key="a b/ü")["UploadId"]
    store.abort(f"{upload_id} a b/ü")
    assert uploads(store) == []
    store.abort(f"{upload_id} a b/ü")


def test_a_store_error_without_a_message_is_reported_by_its_code(store: Store) -> None:
    """RGW sends an empty ``Message``, which botocore reads as None."""

    def answer(model: Any, **_: object) -> None:
        error = {"Error": {"Code": "AccessDenied", "Message": None}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(error, model.name)  # type: ignore[arg-type]  # the stubs want the whole of it

    store.client.meta.events.register("before-call.s3", answer)
    with pytest.raises(TransientError, match="S3 answered 403 AccessDenied to HeadBucket"):
        store.check()


def test_an_object_is_looked_up_without_reading_it(store: Store) -> None:
    assert store.look_up("k") is None
    write(store, b"song")
    assert store.look_up("k") == Stored(4, hashlib.sha256(b"song").hexdigest(), "unread", "audio/mpeg")


@pytest.mark.parametrize("status", [403, 408, 429, 500, 503])
def test_a_store_that_does_not_say_whether_it_has_an_object_may_have_it(store: Store, status: int) -> None:
    events: Any = store.client.meta.events
    answer = AWSResponse("", status, HTTPHeaders(), SimpleNamespace(stream=list))
    events.register("before-send.s3.HeadObject", lambda **_: answer)
    with pytest.raises(TransientError):
        store.look_up("k")


def test_a_missing_bucket_does_not_say_that_there_is_no_object(store: Store) -> None:
    store.client.delete_bucket(Bucket=store.bucket)
    with pytest.raises(TransientError):
        store.look_up("k")
