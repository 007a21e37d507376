"""Stores that ignore checksums or conditions are detected, and writes to them take precautions."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, ConnectTimeoutError
from structlog.testing import capture_logs

from tests.s3proxy import Bucket, moody_bucket
from tests.unit.bucket.test_store import Holding, write
from tests.unit.conftest import BUCKET, Clock
from tests.unit.reading import PART
from workers.bucket.checksums import checksums
from workers.bucket.examination import BODY, examine_put, examine_upload
from workers.bucket.guarantees import OF_AWS, REST_SECONDS, UNKNOWN, Checksum, Condition, Guarantees, Learned
from workers.bucket.store import Store
from workers.errors import TransientError
from workers.s3.client import open_client

SMALL, LARGE = b"ID3" + bytes(2000), b"ID3" + bytes(2 * PART)
BOTH_SIZES = pytest.mark.parametrize(("content", "operation"), [(SMALL, "put"), (LARGE, "part")])
BOTH_WRITES = pytest.mark.parametrize(("content", "operation"), [(SMALL, "put"), (LARGE, "complete")])
MakeStore = Callable[[], Store]


@pytest.fixture
def habits(store: Store) -> Iterator[Bucket]:
    """Put a proxy in front of the fixture's store. It honours conditions and checks no checksums but ``checks``."""
    with moody_bucket(int(store.client.meta.endpoint_url.rpartition(":")[2])) as bucket:
        yield bucket


@pytest.fixture(params=["direct", "boto3"])
def make_store(
    request: pytest.FixtureRequest, habits: Bucket, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[MakeStore]:
    """Make a store as a new process would: nothing is known of it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{habits.port}")
    pools: list[urllib3.PoolManager] = []

    def make() -> Store:
        if request.param == "direct":
            pools.append(urllib3.PoolManager())
        return Store(open_client(attempts=1), BUCKET, pools[-1] if pools else None, monotonic=clock)

    yield make
    for pool in pools:
        pool.clear()


@pytest.mark.slow
@BOTH_SIZES
@pytest.mark.parametrize("kind", ["crc32c", "md5"])
def test_a_bit_that_flips_under_way_is_refused_by_the_checksum_that_the_store_looks_at(
    make_store: MakeStore, habits: Bucket, content: bytes, operation: str, kind: str
) -> None:
    habits.checks = {f"put {kind}", f"part {kind}"}
    habits.flips = [operation] * 2
    store = make_store()
    with pytest.raises(TransientError, match="BadDigest"):
        write(store, content)
    habits.flips = []
    assert write(store, content).sha256 == hashlib.sha256(content).hexdigest()
    assert store.read_text("k") == content


@BOTH_SIZES
def test_a_store_that_looks_at_no_checksum_is_not_sent_the_expensive_one(
    make_store: MakeStore, content: bytes, operation: str
) -> None:
    store = make_store()
    with capture_logs() as logs:
        write(store, content)
    kind = "put" if operation == "put" else "multipart"
    assert [(event["write"], event["checksum"]) for event in logs] == [(kind, "none")]


@pytest.mark.slow
@BOTH_WRITES
@pytest.mark.parametrize("habit", ["ignores", "refuses"])
def test_a_store_without_conditions_keeps_what_stands_there(
    make_store: MakeStore, habits: Bucket, content: bytes, operation: str, habit: str
) -> None:
    getattr(habits, habit).add(operation)
    first = write(make_store(), content)
    for store in (make_store(), make_store()):
        again = write(store, content[:-1] + b"x")
        assert (again.sha256, again.found) == (first.sha256, "different")
        assert store.read_text("k") == content


@pytest.mark.slow
@BOTH_WRITES
@pytest.mark.parametrize("examined", [False, True])
def test_a_writer_whose_object_was_replaced_after_a_200_reports_the_stored_size_and_checksum(
    make_store: MakeStore, habits: Bucket, content: bytes, operation: str, *, examined: bool
) -> None:
    """The other writer's object replaces ours after ours was answered by 200, as in Swift."""
    store = make_store()
    if examined:
        write(store, content)
        store.delete("k")
    rival = open_client(attempts=1)
    replaced: list[str] = []

    def replace(asked: str) -> None:
        if asked == "head" and not replaced and _stands(habits, operation):
            replaced.append(asked)
            rival.put_object(Bucket=BUCKET, Key="k", Body=b"rival")

    habits.asked.clear()
    habits.before = replace
    stored = write(store, content)
    assert replaced
    assert (stored.size, stored.sha256) == (5, hashlib.sha256(b"rival").hexdigest())


def _stands(habits: Bucket, operation: str) -> bool:
    """Tell whether the last request before this HEAD was the write of the object itself."""
    return [asked for asked in habits.asked if asked != "head"][-1:] == [operation]


@pytest.mark.slow
@BOTH_WRITES
def test_a_process_examines_a_store_once(make_store: MakeStore, habits: Bucket, content: bytes, operation: str) -> None:
    habits.checks = {"put crc32c", "part crc32c"}
    store = make_store()
    write(store, content)
    store.delete("k")
    habits.asked.clear()
    write(store, content)
    parts = ["create", *["part"] * 3, "complete"] if operation == "complete" else ["put"]
    assert habits.asked == [*parts, "head"]


def test_a_write_to_aws_needs_no_examination_and_no_head(store: Store) -> None:
    asked: list[str] = []
    trusting = Store(store.client, BUCKET, known=OF_AWS)
    store.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    write(trusting, SMALL)
    assert asked == ["PutObject"]


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://amazonaws.com.example", False),
        ("http://127.0.0.1:7070", False),
    ],
)
def test_aws_is_known_by_its_name(url: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    store = Store(open_client(), BUCKET)
    assert (store._of_put.known == OF_AWS) is known  # noqa: SLF001


@pytest.mark.slow
def test_an_examination_leaves_neither_an_object_nor_an_upload(make_store: MakeStore, habits: Bucket) -> None:
    for habits.checks, habits.ignores in [
        ({"put crc32c", "part crc32c"}, set[str]()),
        ({"put md5", "part md5"}, {"put", "complete"}),
    ]:
        store = make_store()
        write(store, LARGE)
        assert store.list("", limit=10) == ["k"]
        assert store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


@pytest.mark.slow
def test_the_uploads_of_an_examination_are_known_to_the_ledger_in_case_the_worker_dies(make_store: MakeStore) -> None:
    class Knowing(Holding):
        def upload_began(self, upload: str) -> None:
            super().upload_began(upload)
            known.append((upload[:1] == "?", upload.partition(" ")[2].startswith("_partial/probe-")))

    known: list[tuple[bool, bool]] = []
    write(make_store(), LARGE, Knowing())
    # Each is noted before it is created, and then by its id.
    assert known == [(True, True), (False, True), (True, True), (False, True), (True, False), (False, False)]


def test_an_upload_that_an_examination_cannot_abort_is_left_to_the_sweep(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, hold = make_store(), Holding()
    abort = store.abort_upload
    failures = iter([True])

    def fail_once(key: str, upload_id: str) -> None:
        if next(failures, False):
            raise ConnectTimeoutError(endpoint_url="")
        abort(key, upload_id)

    monkeypatch.setattr(store, "abort_upload", fail_once)
    write(store, LARGE, hold)
    left = store.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert [f"{each['UploadId']} {each['Key']}" for each in left] == hold.left


@pytest.mark.slow
def test_an_examination_that_fails_in_an_outage_is_repeated_later(
    make_store: MakeStore, habits: Bucket, clock: Clock
) -> None:
    habits.checks = {"put crc32c"}
    store = make_store()
    habits.mood = "unavailable"
    with pytest.raises(TransientError, match="503"):
        write(store, SMALL)
    habits.mood = "pass"
    habits.flips = ["put"] * 2
    with pytest.raises(TransientError, match="BadDigest"):  # Not examined yet, so the write carries both checksums.
        write(store, SMALL)
    habits.flips = []
    clock.advance(REST_SECONDS)
    with capture_logs() as logs:
        write(store, SMALL)
    assert "store_examined" in {event["event"] for event in logs}


def test_threads_that_write_while_one_examines_do_not_wait_for_it(clock: Clock) -> None:
    learned = Learned("put", None, clock)
    examines, may_end = threading.Event(), threading.Event()
    found = Guarantees(Checksum.CRC32C, Condition.HONOURED)

    def examine() -> Guarantees:
        examines.set()
        assert may_end.wait(10)
        return found

    thread = threading.Thread(target=learned.ask, args=(examine,))
    thread.start()
    assert examines.wait(10)
    assert learned.ask(pytest.fail) == UNKNOWN
    may_end.set()
    thread.join()
    assert learned.ask(pytest.fail) == found


@pytest.mark.parametrize("told", ["", None])
def test_an_upload_whose_etag_the_store_does_not_tell_is_not_read_back(store: Store, told: str | None) -> None:
    """RGW's answer to completion has an empty ETag, and its answer to HEAD has S3's: the MD5 of the parts' MD5s."""
    asked: list[str] = []
    events = store.client.meta.events
    events.register("after-call.s3.CompleteMultipartUpload", lambda parsed, **_: parsed.update(ETag=told))
    events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    assert write(store, LARGE).found == ""
    assert asked[-2:] == ["CompleteMultipartUpload", "HeadObject"]


def test_a_no_such_upload_error_counts_as_the_refusal_of_a_wrong_checksum(store: Store) -> None:
    """As rclone does: botocore sends the part again and is answered ``NoSuchUpload``."""
    sent: list[str] = []

    def answer(model: Any, params: dict[str, Any], **_: object) -> None:
        sent.append(model.name)
        right = checksums(BODY, md5=True)["ContentMD5"]
        if params["headers"].get("Content-MD5", right) != right:
            error = {"Error": {"Code": "NoSuchUpload"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(error, model.name)  # type: ignore[arg-type]  # the stubs want the whole of it

    store.client.meta.events.register("before-call.s3.UploadPart", answer)
    assert examine_upload(store, "probe", {}, Holding()).checksum is Checksum.MD5
    assert len(sent) == 3


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestTimeout"])
@pytest.mark.parametrize("examined", [examine_put, examine_upload])
def test_an_examination_fails_if_the_store_refuses_right_checksums_too(
    store: Store, code: str, examined: Callable[..., Guarantees]
) -> None:
    """It refuses from the first wrong checksum on. Only the right checksum that follows shows that."""
    asked = 0

    def answer(model: Any, **_: object) -> None:
        nonlocal asked
        asked += model.name in {"PutObject", "UploadPart"}
        if asked > (2 if examined is examine_put else 1):
            error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
            raise ClientError(error, model.name)  # type: ignore[arg-type]  # the stubs want the whole of it

    store.client.meta.events.register("before-call.s3", answer)
    with pytest.raises(ClientError, match=code):
        examined(store, "probe", {}, *([Holding()] if examined is examine_upload else []))
