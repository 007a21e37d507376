"""What ``workers.s3.internals`` relies on in botocore. A failure here means that botocore has changed."""

import io
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from app.embedded.loopback import serving
from workers.s3.client import open_client
from workers.s3.internals import credentials_of, disable_expect, use_pools


class Refusing(BaseHTTPRequestHandler):
    """Answers 403 to each request, and keeps its headers."""

    received: list[dict[str, str]]

    def _refuse(self) -> None:
        self.received.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_error(403)

    do_PUT = do_HEAD = do_CONNECT = _refuse  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def received() -> list[dict[str, str]]:
    return []


@pytest.fixture
def port(received: list[dict[str, str]]) -> Iterator[int]:
    with serving(type("Handler", (Refusing,), {"received": received})) as port:
        yield port


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_client_makes_its_connections_by_the_pools_that_it_was_given(
    port: int, monkeypatch: pytest.MonkeyPatch, scheme: str, *, proxied: bool
) -> None:
    made: list[str] = []

    class Pool(HTTPConnectionPool):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(self.scheme or "")
            super().__init__(*args, **kwargs)

    class TLSPool(Pool, HTTPSConnectionPool):
        pass

    if proxied:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{scheme}://{'s3.test' if proxied else f'127.0.0.1:{port}'}")
    client = open_client(connect_timeout=1, read_timeout=1, attempts=1)
    use_pools(client, {"http": Pool, "https": TLSPool})
    with suppress(BotoCoreError, ClientError):
        client.head_bucket(Bucket="bucket")
    assert made == [scheme]


@pytest.mark.parametrize("disabled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_botocore_expects_100_continue_until_that_is_disabled(
    port: int, received: list[dict[str, str]], *, disabled: bool
) -> None:
    client = get_session().create_client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    if disabled:
        disable_expect(cast("Any", client))
    with suppress(ClientError):
        cast("Any", client).put_object(Bucket="bucket", Key="k", Body=io.BytesIO(b"body"))
    assert [("expect" in headers) for headers in received] == [not disabled]


def test_a_client_signs_by_the_credentials_that_are_given_for_it(port: int, received: list[dict[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        client = open_client(attempts=1)
    credentials_of(client).access_key = "changed"
    assert credentials_of(client).get_frozen_credentials()[:2] == ("changed", "testing")
    with suppress(ClientError):
        client.head_bucket(Bucket="bucket")
    assert "Credential=changed/" in received[0]["authorization"]
