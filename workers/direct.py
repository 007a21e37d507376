"""Bodies on their way to S3 past botocore's machinery, of which only the signature is needed.

More than half of what ``put_object`` costs a processor goes into serialisers, hooks and parsers for what is always the
same request. Here boto3 signs (a presigned URL), and urllib3, by which botocore sends as well, sends. Whatever is not
simply answered by success is left to boto3 to do over: retries, redirects to another region, errors all stay its own.
"""

import math
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
import urllib3
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from workers.parts import Body

log = structlog.get_logger()

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: How long a signature is good for; a request begins at once, and S3 looks when it begins.
_SECONDS = 300
#: After a refusal boto3 alone writes for so many seconds. Rights change, so it is not for good.
REST_SECONDS = 600.0
_TURNED_DOWN = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
#: boto3's names for what travels as a header and is signed with the URL.
_HEADERS = {"ContentType": "Content-Type", "ChecksumCRC32C": "x-amz-checksum-crc32c", "IfNoneMatch": "If-None-Match"}


class PreconditionFailedError(Exception):
    """There is an object under the key already (412)."""


class DirectWrites:
    """``put_object`` and ``upload_part`` for one client. Threads may share it."""

    def __init__(
        self, client: "S3Client", pool: urllib3.PoolManager, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._pool = pool
        self._monotonic = monotonic
        self._rests_until = -math.inf

    def write(
        self,
        operation: str,
        body: Body,
        arguments: Mapping[str, Any],
        by_boto3: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Send one request and give what boto3 would; where it does not succeed, have it done by boto3.

        What the store turns down and then takes from boto3 (a policy against presigned URLs, say) is left to boto3 for
        ``REST_SECONDS``. Raises ``PreconditionFailedError`` where ``IfNoneMatch`` was asked for and an object is there,
        and what ``by_boto3`` raises.
        """
        if self._monotonic() < self._rests_until:
            return by_boto3()
        status, answer = self._send(operation, body, arguments)
        if answer is not None:
            return answer
        answer = by_boto3()
        if status in _TURNED_DOWN:
            self._rests_until = self._monotonic() + REST_SECONDS
            log.warning("presigned_writes_refused", status=status, rest=REST_SECONDS)
        return answer

    def _send(self, operation: str, body: Body, arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
        headers = {_HEADERS[name]: value for name, value in arguments.items() if name in _HEADERS}
        headers["Content-Length"] = str(len(body))
        headers |= {f"x-amz-meta-{name}": value for name, value in arguments.get("Metadata", {}).items()}
        try:
            url = self._client.generate_presigned_url(operation, Params=dict(arguments), ExpiresIn=_SECONDS)
            answer = self._pool.urlopen("PUT", url, body=body, headers=headers, retries=False, redirect=False)
        except (HTTPError, BotoCoreError, OSError):
            return 0, None
        if answer.status == HTTPStatus.OK:
            return answer.status, {"ETag": answer.headers.get("ETag", "")}
        if answer.status == HTTPStatus.PRECONDITION_FAILED and "IfNoneMatch" in arguments:
            raise PreconditionFailedError
        return answer.status, None
