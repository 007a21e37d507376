"""Direct writes, and when botocore repeats them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
import urllib3
from structlog.testing import capture_logs
from urllib3.exceptions import ProtocolError

from app.embedded.loopback import serving
from tests.conftest import MakeSettings
from tests.unit.bucket.test_store import write
from tests.unit.conftest import BUCKET, Clock
from tests.unit.reading import PART
from workers.bucket.guarantees import OF_AWS
from workers.bucket.requests import Facts
from workers.bucket.store import Store
from workers.context import open_store
from workers.errors import TransientError
from workers.s3.client import open_client, open_pool
from workers.s3.direct import PAUSE, REST_SECONDS, DirectWrites
from workers.transfer.parts import Body

CONTENT = b"ID3" + bytes(1000)


class Pool(urllib3.PoolManager):
    """Counts requests. It answers in S3's place if ``status`` is set, and fails if ``breaks`` is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.status = 0
        self.code = ""
        self.breaks = False

    def urlopen(self, *args: Any, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        self.asked += 1
        if self.breaks:
            self._break()
        body = f"<Error><Code>{self.code}</Code></Error>".encode()
        return urllib3.HTTPResponse(body, status=self.status) if self.status else super().urlopen(*args, **kwargs)

    def _break(self) -> NoReturn:
        raise ProtocolError("reset in mid-body")


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.clear()


@pytest.fixture
def direct(store: Store, pool: Pool) -> Store:
    """Make a store on the fixture's bucket that writes directly and is not examined first."""
    assert store.bucket == BUCKET
    return Store(open_client(attempts=1), BUCKET, pool, known=OF_AWS)


def _by_boto3(store: Store) -> list[str]:
    """Record the operations that go through botocore."""
    asked: list[str] = []
    store.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    return asked


def test_an_object_is_written_with_its_type_and_metadata_and_boto3_sends_nothing(direct: Store, pool: Pool) -> None:
    asked = _by_boto3(direct)
    stored = write(direct, CONTENT, stem="cover")
    assert (asked, pool.asked) == ([], 1)
    assert stored.sha256 == hashlib.sha256(CONTENT).hexdigest()
    found = direct.client.get_object(Bucket=BUCKET, Key="k")
    assert found["Body"].read() == CONTENT
    assert found["ContentType"] == "audio/mpeg"
    assert direct.metadata("k") == {"stem": "cover", "sha256": stored.sha256}


@pytest.mark.slow
def test_parts_are_written_directly_and_the_object_is_whole(direct: Store, pool: Pool) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"end"
    asked = _by_boto3(direct)
    write(direct, content)
    assert pool.asked == 3
    assert "UploadPart" not in asked
    assert direct.read_text("k") == content


def test_a_direct_write_leaves_an_existing_object_and_reports_its_checksum(direct: Store) -> None:
    write(direct, CONTENT)
    again = write(direct, b"ID3 something else")
    assert again.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert direct.read_text("k") == CONTENT


def test_a_store_that_takes_no_direct_writes_is_asked_once_and_then_left_to_boto3(direct: Store, pool: Pool) -> None:
    pool.status = 403
    for _ in range(2):
        direct.write_json("document", {"a": 1})
    assert json.loads(direct.read_text("document") or b"") == {"a": 1}
    assert pool.asked == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_store_that_refuses_direct_writes_gets_them_again_after_a_rest(
    store: Store, pool: Pool, clock: Clock, status: int
) -> None:
    writes = DirectWrites(store.client, BUCKET, pool, monotonic=clock, sleep=clock.advance)
    arguments = {"Key": "k"}
    pool.status = status
    with capture_logs() as logs:
        for _ in range(3):
            assert writes.write(Body(memoryview(CONTENT)), arguments, lambda: {"by": "boto3"}) == {"by": "boto3"}
    assert (pool.asked, [event["event"] for event in logs]) == (1, ["direct_writes_refused"])
    clock.advance(REST_SECONDS)
    pool.status = 0
    assert "ETag" in writes.write(Body(memoryview(CONTENT)), arguments, lambda: {"by": "boto3"})


def test_a_write_that_fails_with_boto3_too_does_not_disable_direct_writes(
    store: Store, pool: Pool, clock: Clock
) -> None:
    writes = DirectWrites(store.client, BUCKET, pool, monotonic=clock, sleep=clock.advance)
    pool.status = 403
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            writes.write(
                Body(memoryview(CONTENT)),
                {"Key": "k"},
                Mock(side_effect=OSError("away")),
            )
    assert pool.asked == 2


@pytest.mark.parametrize("code", ["BadDigest", "RequestTimeout", "IncompleteBody"])
def test_a_body_damaged_in_transit_does_not_disable_direct_writes(
    store: Store, pool: Pool, clock: Clock, code: str
) -> None:
    writes = DirectWrites(store.client, BUCKET, pool, monotonic=clock, sleep=clock.advance)
    pool.status, pool.code = 400, code
    for _ in range(2):
        assert writes.write(Body(memoryview(CONTENT)), {"Key": "k"}, lambda: {"by": "boto3"})
    assert pool.asked == 2


def test_after_a_rest_only_one_thread_tries_a_direct_write(store: Store, pool: Pool, clock: Clock) -> None:
    writes = DirectWrites(store.client, BUCKET, pool, monotonic=clock, sleep=clock.advance)
    pool.status = 403

    def in_threads() -> None:
        together = threading.Barrier(16)

        def write() -> None:
            together.wait(10)
            writes.write(Body(memoryview(CONTENT)), {"Key": "k"}, lambda: {"by": "boto3"})

        threads = [threading.Thread(target=write) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with capture_logs() as logs:
        in_threads()
        assert [event["event"] for event in logs] == ["direct_writes_refused"]
        for _ in range(2):
            clock.advance(REST_SECONDS)
            pool.asked = 0
            in_threads()
            assert pool.asked == 1
        clock.advance(REST_SECONDS)
        pool.status = 0
        pool.asked = 0
        in_threads()
    # Threads that come after the first success write directly, too.
    assert pool.asked >= 1
    pool.asked = 0
    in_threads()
    assert pool.asked == 16


@pytest.mark.parametrize("failing", [500, 503, 429, 0])
def test_after_a_failed_direct_write_boto3_is_called_once_after_a_pause(store: Store, pool: Pool, failing: int) -> None:
    pauses: list[float] = []
    pool.status, pool.breaks = failing, not failing
    by_boto3 = Mock(side_effect=OSError("away"))
    writes = DirectWrites(store.client, BUCKET, pool, sleep=pauses.append)
    with pytest.raises(OSError, match="away"):
        writes.write(Body(memoryview(CONTENT)), {"Key": "k"}, by_boto3)
    assert (pool.asked, by_boto3.call_count, len(pauses)) == (1, 1, 1)
    assert PAUSE <= pauses[0] <= 2 * PAUSE


@pytest.mark.parametrize("proxied", [False, True])
def test_a_store_opened_by_the_settings_sends_a_body_at_most_twice(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    monkeypatch.setattr("workers.s3.direct.PAUSE", 0.0)
    received: list[str] = []

    class Unavailable(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            received.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Unavailable) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        if proxied:
            monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        store = open_store(make_settings())
        with pytest.raises(TransientError, match="503"):
            store.write_text("k", CONTENT, "text/plain")
    assert len(received) == 2


@pytest.mark.parametrize("status", [307, 500, 503])
def test_boto3_repeats_a_direct_write_that_got_a_redirect_or_server_error(
    direct: Store, pool: Pool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.s3.direct.PAUSE", 0.0)
    pool.status = status
    write(direct, CONTENT)
    pool.status = 0
    assert direct.read_text("k") == CONTENT
    direct.write_json("document", {})
    assert pool.asked == 2


def test_a_connection_that_breaks_is_left_to_boto3(direct: Store, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.s3.direct.PAUSE", 0.0)
    pool.breaks = True
    write(direct, CONTENT)
    assert direct.read_text("k") == CONTENT


def test_behind_a_proxy_boto3_sends_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_pool()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert open_pool() is None


def test_an_object_is_asked_about_directly_and_where_that_fails_by_boto3(direct: Store, pool: Pool) -> None:
    asked = _by_boto3(direct)
    direct.put("k", CONTENT, {}, if_new=True)
    etag = hashlib.md5(CONTENT).hexdigest()
    assert direct.facts("k") == Facts(len(CONTENT), etag)
    assert (asked, pool.asked) == ([], 2)
    pool.status = 403
    assert direct.facts("k") == Facts(len(CONTENT), etag)
    pool.breaks = True
    assert direct.facts("nothing") is None
    assert asked == ["HeadObject", "HeadObject"]


def test_a_body_that_is_sent_again_goes_in_small_pieces(
    direct: Store, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.s3.direct.PAUSE", 0.0)
    sizes: list[int] = []

    def body_of(params: dict[str, Any], **_: object) -> None:
        body = params["body"]
        sizes.extend(iter(lambda: len(body.read()), 0))
        body.seek(0)

    direct.client.meta.events.register("before-call.s3.PutObject", body_of)
    pool.breaks = True
    direct.put("k", bytes(3 * 1024**2), {}, if_new=True)
    assert set(sizes) == {256 * 1024}
