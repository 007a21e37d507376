"""What the source checks by itself, behind whatever the HTTP library checks or forgets to."""

import io

import pytest
import requests
from urllib3 import HTTPResponse

from workers.errors import TransientError
from workers.hard_end import Attempt
from workers.source import LowSpeed, Source


def response(body: bytes, **headers: str) -> requests.Response:
    """Make a response that the HTTP library itself finds nothing wrong with."""
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
