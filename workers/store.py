"""The bucket: objects written once, whole or not at all, and proven to be what was sent.

A write says ``If-None-Match: *``, so of two writers of one key the second changes nothing, and
each part carries its CRC-32C, which S3 checks before it takes the part. Our own part loop, because
s3transfer can neither write conditionally nor keep to two parts in memory.
"""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol
from urllib.request import getproxies
from uuid import uuid4

import boto3
import botocore.session
import certifi
import structlog
import urllib3
from awscrt.checksums import crc32c
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header
from botocore.loaders import Loader, create_loader

from workers.direct import DirectWrites, PreconditionFailedError
from workers.errors import PermanentError, TransientError
from workers.parts import Body, Digest, Part, go_on

log = structlog.get_logger()

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

_CRC_BYTES = 4
#: The upload has ended, or the store has no such operation and never will.
_NOTHING_TO_ABORT = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
#: With it the names begin of uploads that are being created.
UNNAMED = "?"
#: The store has no such operation, or the keys are not allowed to ask.
_NO_SUCH_QUESTION = {HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
#: Of S3's own words, so many characters are told.
_MOST_SAID = 300
#: Seconds.
CONNECT_TIMEOUT, READ_TIMEOUT = 5.0, 40.0


def open_pool(at_once: int = 1) -> urllib3.PoolManager | None:
    """Make connections for ``DirectWrites`` that trust whom boto3 trusts; None behind a proxy, which boto3 knows."""
    if getproxies().keys() & {"http", "https", "all"}:
        return None
    authority = botocore.session.get_session().get_config_variable("ca_bundle") or certifi.where()
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
    return urllib3.PoolManager(ca_certs=authority, timeout=timeout, maxsize=at_once)


@cache
def s3_models() -> Loader:
    """Read botocore's description of S3, a dozen MiB that nobody changes. Read before a fork, processes share it."""
    loader = create_loader(botocore.session.get_session().get_config_variable("data_path"))
    for kind in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    return loader


def open_client(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    read_timeout: float = READ_TIMEOUT,
    attempts: int = 3,
    at_once: int = 10,
) -> "S3Client":
    """Make an S3 client for so many threads at once; time-outs in seconds. What it has used, a fork must not take over.

    Payloads are not signed by SHA-256: their CRC-32C stands in a signed header, and TLS protects
    them under way.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False},
        signature_version="s3v4",
        tcp_keepalive=True,
        max_pool_connections=at_once,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", s3_models())
    client = boto3.session.Session(botocore_session=session).client("s3", config=config)
    # `Expect: 100-continue` before each body costs a round trip, and a second where S3 is silent.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that stands in the bucket: its size in bytes and the SHA-256 of its content in hex."""

    size: int
    sha256: str
    found: str = ""
    """Empty for an object that was written now. Else it stood there before: ``same`` if it has the bytes that were to
    be written, ``different`` if it has others, ``damaged`` if it also contradicts its own metadata."""
    content_type: str = ""
    """Of an object that was found."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """What to call an object, and what it says of itself; S3 takes 2 KB of ASCII as metadata."""

    key: str
    content_type: str
    metadata: Mapping[str, str]


class Hold(Protocol):
    """Whoever writes an object shows that it is still at it, and what it leaves behind if it dies."""

    def alive(self) -> None:
        """Be asked, every second or so, whether the write may go on; what it raises ends the write."""

    def upload_began(self, upload: str) -> None:
        """Be told of a multipart upload: ``<upload id> <key>``, as ``Store.abort`` takes it.

        Before it is created, ``UNNAMED`` and something unique stand for the id. Who dies then may leave an upload.
        """

    def upload_ended(self) -> None:
        """Be told that it was completed or aborted."""


class Store:
    """One bucket. Everything S3 refuses or fails to do is ``TransientError("store_unavailable")``."""

    def __init__(self, client: "S3Client", bucket: str, pool: urllib3.PoolManager | None = None) -> None:
        self.client = client
        self.bucket = bucket
        self._direct = DirectWrites(client, pool) if pool else None
        self._conditional: dict[str, Any] = {"IfNoneMatch": "*"}

    def write_once(self, new: NewObject, parts: Iterator[Part], digest: Digest, hold: Hold) -> Stored:
        """Store the parts (``read_parts``) as one object, unless one stands there already; ``digest`` follows them.

        Either way the result tells what stands there now. What ``hold.alive`` raises ends the
        write and leaves nothing behind.
        """
        first = next(parts)
        with reporting(_FINAL), _telling_why(hold.alive):
            try:
                if first.is_last:
                    self._put(replace(new, metadata={**new.metadata, "sha256": digest.sha256}), first.data, hold.alive)
                else:
                    self._upload(new, chain([first], parts), hold)
            except _AlreadyThereError:
                return self._found(new.key, digest, hold.alive)
        return Stored(digest.size, digest.sha256)

    def _put(self, new: NewObject, body: memoryview, alive: Callable[[], None]) -> None:
        arguments = {
            "Bucket": self.bucket,
            "Key": new.key,
            "ContentType": new.content_type,
            "Metadata": new.metadata,
            "ChecksumCRC32C": _crc32c(body),
        }
        self._conditionally(partial(self._write, "put_object", body, alive), new.key, arguments)

    def _upload(self, new: NewObject, parts: Iterator[Part], hold: Hold) -> None:
        key = new.key
        hold.upload_began(f"{UNNAMED}{uuid4().hex} {key}")
        created = self.client.create_multipart_upload(
            Bucket=self.bucket,
            Key=key,
            ContentType=new.content_type,
            Metadata=new.metadata,
            ChecksumAlgorithm="CRC32C",
        )
        upload_id = created["UploadId"]
        try:
            hold.upload_began(f"{upload_id} {key}")
            completed = [
                self._upload_part(key, upload_id, number, part.data, hold.alive)
                for number, part in enumerate(parts, start=1)
            ]
            hold.alive()
            whole = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id, "MultipartUpload": {"Parts": completed}}
            self._conditionally(self.client.complete_multipart_upload, key, whole)
        except BaseException:
            with contextlib.suppress(BotoCoreError, ClientError):
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
                hold.upload_ended()
            raise
        hold.upload_ended()

    def _upload_part(
        self, key: str, upload_id: str, number: int, part: memoryview, alive: Callable[[], None]
    ) -> dict[str, Any]:
        checksum = _crc32c(part)
        answer = self._write(
            "upload_part",
            part,
            alive,
            Bucket=self.bucket,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            ChecksumCRC32C=checksum,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32C": checksum}

    def _write(
        self,
        operation: str,
        part: memoryview,
        alive: Callable[[], None] = go_on,
        **arguments: Any,  # noqa: ANN401 - boto3's
    ) -> dict[str, Any]:
        """Send a part by boto3's ``put_object`` or ``upload_part``, directly if that works."""

        def by_boto3() -> Any:  # noqa: ANN401 - boto3's
            return getattr(self.client, operation)(Body=Body(part, alive), **arguments)

        return self._direct.write(operation, Body(part, alive), arguments, by_boto3) if self._direct else by_boto3()

    def _conditionally(self, write: Callable[..., object], key: str, arguments: dict[str, Any]) -> None:
        """Write unless there is an object. A store that takes no condition is asked by HEAD before the write.

        That is learned if it refuses the same write twice with a condition, and takes it without.
        """
        condition = self._conditional
        with _already_there_told():
            for _ in range(2 if condition else 0):
                try:
                    write(**arguments, **condition)
                except ClientError as error:
                    if not _may_be_the_condition(error):
                        raise
                else:
                    return
            if self.exists(key):
                raise _AlreadyThereError
            write(**arguments)
            self._conditional = {}

    def exists(self, key: str) -> bool:
        """Tell whether there is an object under the key."""
        with reporting():
            try:
                self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND:
                    return False
                raise
            return True

    def abort(self, upload: str) -> None:
        """Abort a multipart upload, ``<upload id> <key>``; fine where there is none any more, or the store cannot."""
        upload_id, _, key = upload.partition(" ")
        with reporting():
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if _status(error) not in _NOTHING_TO_ABORT:
                    raise

    def uploads(self, key: str) -> list[str]:
        """Give the ids of the key's multipart uploads; none where S3 does not tell, or does not allow the question."""
        with reporting():
            try:
                found = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
            except ClientError as error:
                if _status(error) in _NO_SUCH_QUESTION:
                    log.warning("uploads_not_listed", detail=f"S3 answered {_status(error)} {_code(error)}")
                    return []
                raise
        return [upload["UploadId"] for upload in found.get("Uploads", []) if upload["Key"] == key]

    def check(self) -> None:
        """Reach the bucket, or say why not by ``TransientError``."""
        with reporting():
            self.client.head_bucket(Bucket=self.bucket)

    def refuses_overwrite(self, key: str) -> bool:
        """Tell whether a conditional write leaves the object that stands under the key alone."""
        with reporting():
            try:
                self.client.put_object(Bucket=self.bucket, Key=key, Body=b"", IfNoneMatch="*")
            except ClientError as error:
                if _status(error) == HTTPStatus.PRECONDITION_FAILED:
                    return True
                raise
            return False

    def _found(self, key: str, wanted: Digest, alive: Callable[[], None]) -> Stored:
        """Read the object under the key, so that its digest is of its bytes, and compare it with what was wanted."""
        digest = Digest()
        with reporting():
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
            for piece in answer["Body"].iter_chunks(1024**2):
                digest.update(piece)
                alive()
        own = _lower(answer["Metadata"]).get("sha256", digest.sha256)
        found = "same" if digest.sha256 == wanted.sha256 else "different" if digest.sha256 == own else "damaged"
        return Stored(digest.size, digest.sha256, found, answer["ContentType"])

    def write_json(self, key: str, document: object) -> None:
        """Write a small JSON document, in place of the one that may stand there."""
        body = json.dumps(document, indent=1).encode()
        self.write_text(key, body, "application/json")

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator["StreamingBody"]:
        """Open an object for reading. Raises ``PermanentError`` (``part_gone``) where there is none."""
        with reporting():
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
            except ClientError as error:
                # A bucket that is away is 404 too.
                if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                    raise PermanentError("part_gone", "the part that was kept is not in the bucket any more") from None
                raise
            with contextlib.closing(body):
                yield body

    def write_text(self, key: str, body: bytes | memoryview, content_type: str, **metadata: str) -> None:
        """Write a small object whole, in place of the one that may stand there; metadata is ASCII."""
        with reporting():
            self._write(
                "put_object",
                memoryview(body),
                Bucket=self.bucket,
                Key=key,
                ContentType=content_type,
                ChecksumCRC32C=_crc32c(body),
                Metadata={name: value.encode("ascii", "replace").decode() for name, value in metadata.items()},
            )

    def metadata(self, key: str) -> dict[str, str]:
        """Give an object's metadata."""
        with reporting():
            return _lower(self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"])

    def list(self, prefix: str, *, limit: int, after: str = "") -> list[str]:
        """Give up to ``limit`` (1000 at most) keys below the prefix, in alphabetical order, those behind ``after``."""
        with reporting():
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, StartAfter=after)
        return [item["Key"] for item in found.get("Contents", [])]

    def delete(self, key: str) -> None:
        """Delete an object; fine where there is none."""
        with reporting():
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def read_text(self, key: str) -> bytes | None:
        """Read a small object whole, or None where there is none."""
        with reporting():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise


class _AlreadyThereError(Exception):
    pass


def _crc32c(data: bytes | memoryview) -> str:
    return base64.b64encode(crc32c(data).to_bytes(_CRC_BYTES)).decode()


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    """Write names in lower case, as they were given: header names have no case, and stores change it."""
    return {name.lower(): value for name, value in metadata.items()}


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def _already_there_told() -> Iterator[None]:
    """Turn either way of saying that there is an object (412) into ``_AlreadyThereError``."""
    try:
        yield
    except PreconditionFailedError:
        raise _AlreadyThereError from None
    except ClientError as error:
        if _status(error) != HTTPStatus.PRECONDITION_FAILED:
            raise
        raise _AlreadyThereError from None


def _may_be_the_condition(error: ClientError) -> bool:
    """Tell whether a store may have refused a write because it does not know ``If-None-Match``."""
    return _status(error) == HTTPStatus.NOT_IMPLEMENTED or (
        _status(error) == HTTPStatus.BAD_REQUEST and _code(error) in {"InvalidArgument", "NotImplemented"}
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


#: S3's codes for requests that stay wrong however often they are sent.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_FINAL = frozenset({"EntityTooLarge", "InvalidStorageClass", "KeyTooLongError", "MetadataTooLarge"})


@contextlib.contextmanager
def _telling_why(alive: Callable[[], None]) -> Iterator[None]:
    """Let a write that must not go on fail for that reason, whatever boto3 has made of it."""
    try:
        yield
    except Exception:
        alive()
        raise


@contextlib.contextmanager
def reporting(final: frozenset[str] = frozenset()) -> Iterator[None]:
    """Turn whatever boto3 raises into ``TransientError("store_unavailable")``, with S3's own words.

    A code among ``final`` becomes ``PermanentError("store_refused")``.
    """
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Message", "")
        detail = f"S3 answered {_status(error)} {_code(error)} to {error.operation_name}: {said[:_MOST_SAID]}"
        if _code(error) in final:
            raise PermanentError("store_refused", detail) from None
        raise TransientError("store_unavailable", detail) from None
    except (BotoCoreError, OSError) as error:
        raise TransientError("store_unavailable", type(error).__name__) from None
