"""The single S3 requests that a write consists of."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import structlog
import urllib3
from botocore.exceptions import ClientError

from workers.s3.direct import DirectWrites
from workers.s3.errors import already_there_told, code_of, status_of
from workers.transfer.parts import PIECE_BYTES, Body, go_on

log = structlog.get_logger()

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_IF_NEW = MappingProxyType({"IfNoneMatch": "*"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})
#: The upload has ended, or the store cannot abort uploads.
_NOTHING_TO_ABORT = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}

#: The store cannot list uploads, or does not allow it to these keys.
_UPLOADS_NOT_LISTED = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


@dataclass(frozen=True, slots=True)
class Facts:
    """Size in bytes and ETag, without quotes, of an object."""

    size: int
    etag: str


class Bucket:
    """One bucket. Methods raise botocore's errors, and ``AlreadyThereError`` if a condition is not met.

    Bodies go through ``pool`` (``DirectWrites``). Without a pool, or if that fails, they go through the client
    ``bodies``, whose number of attempts is the number of times that a body may be sent.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        pool: urllib3.PoolManager | None = None,
        *,
        bodies: "S3Client | None" = None,
    ) -> None:
        self.client = client
        self.bucket = bucket
        self._bodies = bodies or client
        self._direct = DirectWrites(self._bodies, bucket, pool) if pool else None

    def put(
        self,
        key: str,
        body: bytes | memoryview,
        arguments: Mapping[str, Any],
        *,
        if_new: bool,
        alive: Callable[[], None] = go_on,
    ) -> str:
        """Write an object whole and return its ETag. With ``if_new``, only if there is none under the key.

        ``alive`` is called before each piece of the body; an error that it raises ends the write.
        """
        condition = _IF_NEW if if_new else _NOTHING
        return self._send("put_object", body, alive, Key=key, **arguments, **condition)

    def create_upload(self, key: str, arguments: Mapping[str, Any]) -> str:
        """Create a multipart upload and return its id."""
        created = self.client.create_multipart_upload(
            Bucket=self.bucket, Key=key, ChecksumAlgorithm="CRC32C", **arguments
        )
        return created["UploadId"]

    def put_part(  # noqa: PLR0913 - the parameters of the S3 operation
        self,
        key: str,
        upload_id: str,
        number: int,
        body: bytes | memoryview,
        checks: Mapping[str, str],
        *,
        alive: Callable[[], None] = go_on,
    ) -> "CompletedPartTypeDef":
        """Upload a part with its checksums and return its entry for ``complete_upload``; ``alive`` as for ``put``."""
        etag = self._send("upload_part", body, alive, Key=key, UploadId=upload_id, PartNumber=number, **checks)
        return {"PartNumber": number, "ETag": etag, "ChecksumCRC32C": checks["ChecksumCRC32C"]}

    def complete_upload(self, key: str, upload_id: str, parts: "list[CompletedPartTypeDef]", *, if_new: bool) -> str:
        """Make an object of the parts and return its ETag. With ``if_new``, only if there is none under the key."""
        condition = _IF_NEW if if_new else _NOTHING
        with already_there_told():
            answer = self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )
        return _bare(answer.get("ETag") or "") or _etag_of(parts)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload. Does nothing if it has ended or the store cannot abort."""
        try:
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if status_of(error) not in _NOTHING_TO_ABORT:
                raise

    def uploads(self, key: str) -> list[str]:
        """List the ids of the key's multipart uploads; empty, with a warning, if the store does not list them."""
        try:
            found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
        except ClientError as error:
            if status_of(error) not in _UPLOADS_NOT_LISTED:
                raise
            log.warning("uploads_not_listed", detail=f"S3 answered {status_of(error)} {code_of(error)}")
            return []
        return [upload["UploadId"] for upload in found.get("Uploads", []) if upload["Key"] == key]

    def facts(self, key: str) -> Facts | None:
        """Look an object up by HEAD. Returns None if there is none."""
        if self._direct and (answered := self._direct.head(key)):
            return Facts(answered[0], _bare(answered[1]))
        try:
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:
                return None
            raise
        return Facts(answer["ContentLength"], _bare(answer.get("ETag", "")))

    def _send(
        self,
        operation: str,
        body: bytes | memoryview,
        alive: Callable[[], None],
        **arguments: Any,  # noqa: ANN401 - botocore's
    ) -> str:
        arguments["Bucket"] = self.bucket
        view = memoryview(body)

        def by_botocore() -> dict[str, Any]:
            # Sending has failed once, so small pieces now: a slow connection takes them within the time limit.
            again = Body(view, alive, most=PIECE_BYTES)
            return cast("dict[str, Any]", getattr(self._bodies, operation)(Body=again, **arguments))

        with already_there_told():
            direct = self._direct
            answer = direct.write(Body(view, alive), arguments, by_botocore) if direct else by_botocore()
        return _bare(answer.get("ETag", ""))


def _bare(etag: str) -> str:
    """Return an ETag without its quotes and without the mark ``W/`` that proxies add (RFC 9110, section 8.8.3)."""
    return etag.removeprefix("W/").strip('"')


def _etag_of(parts: "list[CompletedPartTypeDef]") -> str:
    """Compute an object's ETag from its parts' ETags, for a store that leaves it out of its answer (RGW).

    It is the MD5 of the parts' MD5s, and their number. If the parts' ETags are no MD5s, the result is empty and so
    equals no other ETag.
    """
    try:
        digests = b"".join(bytes.fromhex(_bare(part["ETag"])) for part in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
