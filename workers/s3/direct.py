"""Bodies on their way to S3 past botocore's machinery, of which only the signature is needed.

More than half of what ``put_object`` costs a processor goes into serialisers, hooks and parsers for what is always the
same request. Here botocore signs, and urllib3, by which botocore sends as well, sends. Whatever is not simply answered
by success boto3 does over, once: redirects to another region and errors stay its own. So a body is sent twice at most.
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

#: After a refusal boto3 alone writes for so many seconds. Rights change, so it is not for good.
REST_SECONDS = 600.0
#: The pause before a body is sent again, in seconds, to which up to as much is added by chance.
PAUSE = 0.5
_TURNED_DOWN = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
#: Codes of 400 that are about this body on its way, and say nothing of the way it took.
_ABOUT_THE_BODY = {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentChecksumMismatch"}
#: boto3's names for what tells parts apart, and S3's.
_IN_QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
_CODE = re.compile(rb"<Code>(\w+)</Code>")


class Answer(NamedTuple):
    """What the store answered: its status (0 if it did not answer), the code of an error, and the ETag."""

    status: int
    code: str
    etag: str


class Refusals:
    """Whether direct writes may be tried. Threads share it: after a rest one of them tries for all."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rests_until: float | None = None

    def may_try(self) -> bool:
        """Tell whether to try a direct write. After a rest, True is for the first who asks."""
        with self._lock:
            if self._rests_until is None:
                return True
            if self._monotonic() < self._rests_until:
                return False
            self._rests_until = self._monotonic() + REST_SECONDS
            return True

    @property
    def none(self) -> bool:
        """Whether direct requests are taken, as far as is known."""
        return self._rests_until is None

    def taken(self) -> None:
        """Note that a direct write was taken."""
        if not self.none:
            with self._lock:
                self._rests_until = None

    def refused(self, status: int) -> None:
        """Note that a direct write was refused and boto3's was taken."""
        with self._lock:
            first = self._rests_until is None
            self._rests_until = self._monotonic() + REST_SECONDS
        if first:
            log.warning("direct_writes_refused", status=status, rest=REST_SECONDS)


class DirectWrites:
    """``put_object``, ``upload_part`` and ``head_object`` for one bucket, by a client that sends a body once only.

    Threads may share it.
    """

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
        by_boto3: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Send one request and give what boto3 would; where it does not succeed, have it done by boto3.

        Where the store fails, boto3 has its turn after a pause (``PAUSE``). What the store turns down and then takes
        from boto3 is left to boto3 for ``REST_SECONDS``. Raises ``AlreadyThereError`` where ``IfNoneMatch`` was asked
        for and an object is there, and what ``by_boto3`` raises.
        """
        if not self._refusals.may_try():
            return by_boto3()
        try:
            status, code, etag = self.send(body, arguments)
        except OtherSignatureError:
            return by_boto3()
        if status == HTTPStatus.OK:
            self._refusals.taken()
            return {"ETag": etag}
        if not status or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._sleep(PAUSE * (1 + random.random()))  # noqa: S311 - no secret
        answer = by_boto3()
        if status in _TURNED_DOWN and code not in _ABOUT_THE_BODY:
            self._refusals.refused(status)
        return answer

    def head(self, key: str) -> tuple[int, str] | None:
        """Give the size in bytes and the ETag of an object, or None where boto3 has to be asked.

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
        """Send one request. Raises ``AlreadyThereError``, and ``OtherSignatureError`` where only boto3 can sign."""
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
    """Give boto3's names for what travels as a header and is signed with the URL, and the headers' own names."""
    shape = client.meta.service_model.operation_model("PutObject").input_shape
    headers = {name: member.serialization for name, member in shape.members.items()} if shape else {}
    return {name: how["name"] for name, how in headers.items() if how.get("location") == "header"}


def _as_header(value: object) -> str:
    """Write a value as botocore does (``botocore.serialize``)."""
    return str(value).lower() if isinstance(value, bool) else str(value)
