"""Each body that is cut off, too long or wrongly encoded is an error, also where the HTTP libraries accept it."""

import gzip
import io
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from tests.conftest import MakeSettings
from workers.connections.attempt import Attempt
from workers.errors import TransientError
from workers.source.body import Source
from workers.source.decoding import decoded
from workers.source.egress import open_session
from workers.source.opening import open_source
from workers.source.speed import LowSpeed


def response(body: bytes, **headers: str) -> requests.Response:
    """Make a response that the HTTP library accepts, whatever its headers say."""
    made = requests.Response()
    made.status_code = 200
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    made.raw = HTTPResponse(io.BufferedReader(io.BytesIO(body)), headers={}, preload_content=False)
    return made


def source(first: requests.Response) -> Source:
    return Source(
        first,
        lambda _: requests.Response(),
        max_bytes=1000,
        attempt=Attempt(3600, 60),
        low_speed=LowSpeed(1, 1),
        clock=lambda: 0,
    )


def read_all(reading: Source) -> bytes:
    buffer, taken = bytearray(7), bytearray()
    while count := reading.read_into(memoryview(buffer)):
        taken += buffer[:count]
    return bytes(taken)


def test_a_body_as_long_as_announced_is_whole() -> None:
    reading = source(response(b"x" * 100, Content_Length="100"))
    assert read_all(reading) == b"x" * 100


@pytest.mark.parametrize("announced", ["101", "99"])
def test_a_body_shorter_or_longer_than_announced_is_not(announced: str) -> None:
    reading = source(response(b"x" * 100, Content_Length=announced))
    with pytest.raises(TransientError) as raised:
        read_all(reading)
    assert raised.value.reason == "truncated"


@pytest.mark.parametrize("nonsense", ["-5", "1e3", "", "lots", "٣"])
def test_a_length_that_is_no_number_announces_nothing(nonsense: str) -> None:
    reading = source(response(b"x" * 100, Content_Length=nonsense))
    assert reading.announced is None
    assert len(read_all(reading)) == 100


@contextmanager
def answered_by(answer: bytes) -> Iterator[str]:
    """Answer one request with exactly these bytes and close the connection; yield the URL."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file"
        server.join()


def fetched(answer: bytes, make_settings: MakeSettings) -> bytes | str:
    """Fetch a file whose response is exactly these bytes; return it, or the reason of the failure."""
    settings = make_settings(ALLOW_PRIVATE_ADDRESSES="true", ALLOWED_ASSET_PORTS="*")
    with answered_by(answer) as url, open_session(settings) as session:
        try:
            with open_source(session, url, settings, clock=lambda: 0) as reading:
                return read_all(reading)
        except TransientError as error:
            return error.reason


def http(body: bytes, *headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body


CHUNKED = "Transfer-Encoding: chunked"
GZIP = "Content-Encoding: gzip"
DEFLATE = "Content-Encoding: deflate"
FILE = random.Random(8).randbytes(300) + bytes(300)


def in_chunks(size: str) -> bytes:
    """Cut a file into chunks of 10 bytes; ``size`` is the format of their sizes."""
    pieces = [FILE[at : at + 10] for at in range(0, len(FILE), 10)]
    return b"".join(b"%b\r\n%b\r\n" % (format(len(piece), size).encode(), piece) for piece in pieces)


@pytest.mark.parametrize("size", ["x", "X", "08x", "016X"])
@pytest.mark.parametrize("end", ["0\r\n\r\n", "000;last\r\n\r\n", "0 \r\nExpires: never\r\n\r\n", "0\r\n", "0\n\n"])
def test_a_chunked_body_is_whole_with_its_last_chunk(size: str, end: str, make_settings: MakeSettings) -> None:
    assert fetched(http(in_chunks(size) + end.encode(), CHUNKED), make_settings) == FILE


@pytest.mark.parametrize("missing", range(1, 30))
@pytest.mark.parametrize("size", ["x", "08x"])
def test_a_chunked_body_without_its_last_chunk_is_truncated(
    size: str, missing: int, make_settings: MakeSettings
) -> None:
    body = in_chunks(size) + format(0, size).encode() + b"\r\n"
    assert fetched(http(body[:-missing], CHUNKED), make_settings) == "truncated"


@pytest.mark.parametrize("size", ["", "-1", "0x1", "1_0", "ten", "10 10", "+1"])
def test_a_line_that_is_no_chunk_size_ends_no_body(size: str, make_settings: MakeSettings) -> None:
    body = in_chunks("x") + f"{size}\r\n0123456789abcdef\r\n0\r\n\r\n".encode()
    assert fetched(http(body, CHUNKED), make_settings) == "truncated"


MEMBERS = gzip.compress(FILE[:400]) + gzip.compress(b"") + gzip.compress(FILE[400:])
ZLIB, BARE = zlib.compress(FILE), zlib.compress(FILE)[2:-4]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(FILE), GZIP),
        (gzip.compress(FILE), "Content-Encoding: x-GZip"),
        (MEMBERS, GZIP),
        (MEMBERS + bytes(512), GZIP),
        (MEMBERS + b"and something else", GZIP),
        (MEMBERS + b"\n", GZIP),
        (ZLIB, DEFLATE),
        (BARE, DEFLATE),
        (ZLIB + b"and something else", DEFLATE),
        (zlib.compress(MEMBERS), "Content-Encoding: gzip, identity, deflate"),
        (gzip.compress(ZLIB), "Content-Encoding: deflate, gzip"),
    ],
)
@pytest.mark.parametrize("travels", ["announced", "chunked", "until the end"])
def test_an_encoded_body_is_decoded_however_it_travels(
    body: bytes, encoding: str, travels: str, make_settings: MakeSettings
) -> None:
    if travels == "chunked":
        answer = http(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), encoding, CHUNKED)
    else:
        answer = http(body, encoding, *([f"Content-Length: {len(body)}"] if travels == "announced" else []))
    assert fetched(answer, make_settings) == FILE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "encoding"),
    [(MEMBERS, GZIP), (ZLIB, DEFLATE), (BARE, DEFLATE), (gzip.compress(ZLIB), "Content-Encoding: deflate, gzip")],
    ids=["gzip", "zlib", "deflate", "both"],
)
@pytest.mark.parametrize("travels", ["announced", "until the end"])
def test_an_encoded_body_that_stops_before_its_own_end_is_truncated(
    body: bytes, encoding: str, travels: str, make_settings: MakeSettings
) -> None:
    first = len(gzip.compress(FILE[:400]))
    # After a whole member, nothing shows that another one is missing.
    ends = {first, first + len(gzip.compress(b""))} if body == MEMBERS else set()
    for cut in sorted({*range(1, len(body), 23), *range(len(body) - 12, len(body)), *range(first - 9, first + 9)}):
        if cut < len(body) and cut not in ends:
            length = [f"Content-Length: {cut}"] if travels == "announced" else []
            assert fetched(http(body[:cut], encoding, *length), make_settings) == "truncated", cut


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (FILE, GZIP, "undecodable"),
        (gzip.compress(FILE)[:-8] + bytes(8), GZIP, "undecodable"),
        (gzip.compress(b"x") + gzip.compress(FILE)[:-8] + bytes(8), GZIP, "undecodable"),
        (b"\xff" * 100, DEFLATE, "undecodable"),
        (in_chunks("x") + b"0\r\n\r\n", "Transfer-Encoding: gzip, chunked", "undecodable"),
        (FILE, "Content-Encoding: " + ", ".join(["gzip"] * 6), "undecodable"),
    ],
)
def test_a_body_that_is_not_encoded_as_it_says_cannot_be_decoded(
    body: bytes, encoding: str, reason: str, make_settings: MakeSettings
) -> None:
    assert fetched(http(body, encoding), make_settings) == reason


def test_an_empty_encoded_body_is_decoded_to_no_bytes(make_settings: MakeSettings) -> None:
    assert fetched(http(b"", GZIP), make_settings) == b""
    assert fetched(http(b"", GZIP, "Content-Length: 0"), make_settings) == b""


@pytest.mark.slow
@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.integers(1, 70), st.integers(1, 70), st.integers(0)
)
def test_decoding_gives_the_same_bytes_in_whatever_pieces_it_reads_and_is_read(
    members: list[bytes], given_at_a_time: int, asked_at_a_time: int, cut: int
) -> None:
    encoded = b"".join(gzip.compress(member * 9) for member in members)

    def read(body: bytes) -> bytes:
        left = io.BytesIO(body)
        reading = decoded(lambda size: left.read(min(size, given_at_a_time)), "gzip")
        return b"".join(iter(lambda: reading(asked_at_a_time), b""))

    assert read(encoded) == b"".join(member * 9 for member in members)
    with suppress(TransientError):
        assert read(encoded[: cut % len(encoded)]) in {
            b"".join(member * 9 for member in members[:count]) for count in range(len(members))
        }
