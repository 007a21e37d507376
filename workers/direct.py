"""Bodies on their way to S3 past botocore's machinery, of which only the signature is needed.

More than half of what ``put_object`` costs a processor goes into serialisers, hooks and parsers for what is always the
same request. Here boto3 signs (a presigned URL), and urllib3, by which botocore sends as well, sends. Whatever is not
simply answered by success is left to boto3 to do over: retries, redirects to another region, errors all stay its own.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

#: How long a signature is good for; a request begins at once, and S3 looks when it begins.
_SECONDS = 300
#: boto3's names for what travels as a header and is signed with the URL.
_HEADERS = {"ContentType": "Content-Type", "ChecksumCRC32C": "x-amz-checksum-crc32c", "IfNoneMatch": "If-None-Match"}


class PreconditionFailedError(Exception):
    """There is an object under the key already (412)."""


class DirectWrites:
    """``put_object`` and ``upload_part`` for one client. Threads may share it."""

    def __init__(self, client: "S3Client", pool: urllib3.PoolManager) -> None:
        self._client = client
        self._pool = pool
        self.refused = False
        """The store has turned a request down that it may take from boto3: a policy against presigned URLs, say."""

    def write(self, operation: str, body: bytes | memoryview, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send one request and give what boto3 would; None where boto3 must try.

        Raises ``PreconditionFailedError`` where ``IfNoneMatch`` was asked for and an object is there.
        """
        headers = {_HEADERS[name]: value for name, value in arguments.items() if name in _HEADERS}
        headers |= {f"x-amz-meta-{name}": value for name, value in arguments.get("Metadata", {}).items()}
        try:
            url = self._client.generate_presigned_url(operation, Params=dict(arguments), ExpiresIn=_SECONDS)
            answer = self._pool.urlopen("PUT", url, body=body, headers=headers, retries=False, redirect=False)
        except (HTTPError, BotoCoreError, OSError):
            return None
        if answer.status == HTTPStatus.OK:
            return {"ETag": answer.headers.get("ETag", "")}
        if answer.status == HTTPStatus.PRECONDITION_FAILED and "IfNoneMatch" in arguments:
            raise PreconditionFailedError
        self.refused = answer.status == HTTPStatus.FORBIDDEN
        return None
