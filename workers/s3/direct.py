"""Sends bodies to S3 directly: botocore only signs the request, and urllib3 sends it.

More than half of the processor time of ``put_object`` goes into serialisers, hooks and parsers, for a request that is
always the same. Any answer but success is left to botocore, which sends the request once more and handles redirects to
another region and errors. So a body is sent twice at most
(``test_a_store_opened_by_the_settings_sends_a_body_at_most_twice``).
"""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
import urllib3
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from workers.s3.errors import AlreadyThereError
from workers.s3.signing import HeaderSigner, OtherSignatureError
from workers.transfer.parts import Body

log = structlog.get_logger()

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: Seconds after a refusal in which only botocore writes. Not for ever, as permissions may change.
REST_SECONDS = 600.0
#: Seconds before a body is sent again. A random time of up to as many seconds is added.
PAUSE = 0.5
_REFUSING = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
#: Error codes of status 400 that concern this one body. They do not mean that the store refuses direct writes.
_ABOUT_THE_BODY = {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentChecksumMismatch"}
#: Query parameters of ``UploadPart``: botocore's names and S3's.
_IN_QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
_CODE = re.compile(rb"<Code>(\w+)</Code>")


class Answer(NamedTuple):
    """The store's answer: its status (0 if there was none), the error code, and the ETag."""

    status: int
    code: str
    etag: str


class Refusals:
    """Whether direct writes may be tried. Threads share it; after a rest, one thread tries first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rests_until: float | None = None

    def may_try(self) -> bool:
        """Tell whether to try a direct write. After a rest, only the first caller gets True."""
        with self._lock:
            if self._rests_until is None:
                return True
            if self._monotonic() < self._rests_until:
                return False
            self._rests_until = self._monotonic() + REST_SECONDS
            return True

    @property
    def none(self) -> bool:
        """Whether no direct write has been refused since the last success."""
        return self._rests_until is None

    def succeeded(self) -> None:
        """Note that a direct write succeeded."""
        if not self.none:
            with self._lock:
                self._rests_until = None

    def refused(self, status: int) -> None:
        """Note that a direct write was refused while the same write by botocore succeeded."""
        with self._lock:
            first = self._rests_until is None
            self._rests_until = self._monotonic() + REST_SECONDS
        if first:
            log.warning("direct_writes_refused", status=status, rest=REST_SECONDS)


class DirectWrites:
    """``put_object``, ``upload_part`` and ``head_object`` for one bucket. Threads may share it."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        pool: urllib3.PoolManager,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._signer = HeaderSigner(client, bucket)
        self._pool = pool
        self._header_names = _header_names(client)
        self._sleep = sleep
        self._refusals = Refusals(monotonic)

    def write(
        self,
        body: Body,
        arguments: Mapping[str, Any],
        by_botocore: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Send one request and return botocore's form of the answer. If it fails, call ``by_botocore`` once.

        If the store fails (429, 5xx or no answer), a pause (``PAUSE``) comes first. If the store refuses the request
        (400, 401, 403) and then accepts it from botocore, botocore sends all requests for ``REST_SECONDS``. Raises
        ``AlreadyThereError`` if ``arguments`` has ``IfNoneMatch`` and there is an object, and any error of
        ``by_botocore``.
        """
        if not self._refusals.may_try():
            return by_botocore()
        try:
            status, code, etag = self.send(body, arguments)
        except OtherSignatureError:
            return by_botocore()
        if status == HTTPStatus.OK:
            self._refusals.succeeded()
            return {"ETag": etag}
        if not status or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._sleep(PAUSE * (1 + random.random()))  # noqa: S311 - no secret
        answer = by_botocore()
        if status in _REFUSING and code not in _ABOUT_THE_BODY:
            self._refusals.refused(status)
        return answer

    def head(self, key: str) -> tuple[int, str] | None:
        """Return an object's size in bytes and its ETag, or None if botocore must be asked.

        It takes half the processor time of ``head_object``.
        """
        if not self._refusals.none:
            return None
        try:
            url, headers = self._signer.sign("HEAD", key, {}, {})
            answer = self._pool.urlopen("HEAD", url, headers=headers, retries=False, redirect=False)
        except (HTTPError, BotoCoreError, OSError, OtherSignatureError):
            return None
        size = answer.headers.get("Content-Length", "")
        if answer.status != HTTPStatus.OK or not size.isdecimal():
            return None
        return int(size), answer.headers.get("ETag", "")

    def send(self, body: Body, arguments: Mapping[str, Any]) -> Answer:
        """Send one request. Raises ``AlreadyThereError``, and ``OtherSignatureError`` if only botocore can sign."""
        names = self._header_names
        query = {_IN_QUERY[name]: value for name, value in arguments.items() if name in _IN_QUERY}
        headers = {names[name]: _as_header(value) for name, value in arguments.items() if name in names}
        headers |= {f"x-amz-meta-{name}": value for name, value in arguments.get("Metadata", {}).items()}
        try:
            url, headers = self._signer.sign("PUT", arguments["Key"], query, headers)
            headers["Content-Length"] = str(len(body))
            answer = self._pool.urlopen("PUT", url, body=body, headers=headers, retries=False, redirect=False)
        except (HTTPError, BotoCoreError, OSError):
            return Answer(0, "", "")
        if answer.status == HTTPStatus.PRECONDITION_FAILED and "IfNoneMatch" in arguments:
            raise AlreadyThereError
        found = None if answer.status == HTTPStatus.OK else _CODE.search(answer.data or b"")
        return Answer(answer.status, found[1].decode() if found else "", answer.headers.get("ETag", ""))


def _header_names(client: "S3Client") -> dict[str, str]:
    """Map botocore's names of the ``PutObject`` parameters that are sent as headers to the header names."""
    shape = client.meta.service_model.operation_model("PutObject").input_shape
    headers = {name: member.serialization for name, member in shape.members.items()} if shape else {}
    return {name: how["name"] for name, how in headers.items() if how.get("location") == "header"}


def _as_header(value: object) -> str:
    """Format a value as ``botocore.serialize`` does."""
    return str(value).lower() if isinstance(value, bool) else str(value)
