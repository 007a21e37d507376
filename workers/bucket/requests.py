"""The requests to one bucket that writing an object takes."""

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
#: The upload has ended, or the store has no such operation and never will.
_NOTHING_TO_ABORT = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}

#: The store has no such operation, or the keys are not allowed to ask.
_NO_SUCH_QUESTION = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store tells of an object: its size in bytes, and its ETag without quotes."""

    size: int
    etag: str


class Bucket:
    """One bucket. Its methods raise what boto3 raises, and ``AlreadyThereError`` for a condition that is not met.

    Bodies go through ``pool`` if there is one (``DirectWrites``), and else, or where that fails, through ``bodies``, a
    client that sends as often as a body may be sent.
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
        """Write an object whole, only where there is none if that is wanted, and give its ETag.

        ``alive`` is asked again and again while the body is sent.
        """
        condition = _IF_NEW if if_new else _NOTHING
        return self._send("put_object", body, alive, Key=key, **arguments, **condition)

    def create_upload(self, key: str, arguments: Mapping[str, Any]) -> str:
        """Begin a multipart upload and give its id."""
        created = self.client.create_multipart_upload(
            Bucket=self.bucket, Key=key, ChecksumAlgorithm="CRC32C", **arguments
        )
        return created["UploadId"]

    def put_part(  # noqa: PLR0913 - a part, and all that S3 wants to know of it
        self,
        key: str,
        upload_id: str,
        number: int,
        body: bytes | memoryview,
        checks: Mapping[str, str],
        *,
        alive: Callable[[], None] = go_on,
    ) -> "CompletedPartTypeDef":
        """Upload a part with its checksums, and give what completing takes; ``alive`` as for ``put``."""
        etag = self._send("upload_part", body, alive, Key=key, UploadId=upload_id, PartNumber=number, **checks)
        return {"PartNumber": number, "ETag": etag, "ChecksumCRC32C": checks["ChecksumCRC32C"]}

    def complete_upload(self, key: str, upload_id: str, parts: "list[CompletedPartTypeDef]", *, if_new: bool) -> str:
        """Make an object of the parts, only where there is none if that is wanted, and give its ETag."""
        condition = _IF_NEW if if_new else _NOTHING
        with already_there_told():
            answer = self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )
        return _bare(answer.get("ETag") or "") or _etag_of(parts)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort a multipart upload; fine where there is none any more, or the store cannot."""
        try:
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if status_of(error) not in _NOTHING_TO_ABORT:
                raise

    def uploads(self, key: str) -> list[str]:
        """Give the ids of the key's multipart uploads; none where S3 does not tell, or does not allow the question."""
        try:
            found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
        except ClientError as error:
            if status_of(error) not in _NO_SUCH_QUESTION:
                raise
            log.warning("uploads_not_listed", detail=f"S3 answered {status_of(error)} {code_of(error)}")
            return []
        return [upload["UploadId"] for upload in found.get("Uploads", []) if upload["Key"] == key]

    def facts(self, key: str) -> Facts | None:
        """Ask what stands under a key, or give None where nothing does."""
        if self._direct and (told := self._direct.head(key)):
            return Facts(told[0], _bare(told[1]))
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
        **arguments: Any,  # noqa: ANN401 - boto3's
    ) -> str:
        arguments["Bucket"] = self.bucket
        view = memoryview(body)

        def by_boto3() -> dict[str, Any]:
            # Where large pieces have failed, small ones may go.
            again = Body(view, alive, most=PIECE_BYTES)
            return cast("dict[str, Any]", getattr(self._bodies, operation)(Body=again, **arguments))

        with already_there_told():
            direct = self._direct
            answer = direct.write(Body(view, alive), arguments, by_boto3) if direct else by_boto3()
        return _bare(answer.get("ETag", ""))


def _bare(etag: str) -> str:
    """Give an ETag without its quotes, and without the mark that proxies put before one (RFC 9110, section 8.8.3)."""
    return etag.removeprefix("W/").strip('"')


def _etag_of(parts: "list[CompletedPartTypeDef]") -> str:
    """Compute the ETag of an object from those of its parts, for a store that does not tell it (RGW).

    It is the MD5 of their MD5s with their number. Where they are no MD5s it is empty, and so unlike any other.
    """
    try:
        digests = b"".join(bytes.fromhex(_bare(part["ETag"])) for part in parts)
    except ValueError:
        return ""
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
