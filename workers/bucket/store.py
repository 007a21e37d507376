"""The bucket: objects written once, whole or not at all, and proven to be what was sent.

A write says ``If-None-Match: *``, so of two writers of one key the second changes nothing, and each body carries a
checksum, which the store compares before it takes it. Not every store does both. What this one does is found out by
trying (``examination``), and what it does not do is made up for: by MD5 instead of CRC-32C, by a question
before the write and by another after it. Our own part loop, because s3transfer can neither write conditionally nor keep
to two parts in memory.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING
from uuid import uuid4

import urllib3
from botocore.exceptions import ClientError

from config.layout import KeyLayout
from config.upload_args import UploadArgs, of_documents
from workers.bucket.checksums import checksums
from workers.bucket.examination import examine_put, examine_upload
from workers.bucket.guarantees import OF_AWS, Guarantees, Learned
from workers.bucket.multipart import Hold, Upload
from workers.bucket.requests import Bucket, Facts
from workers.connections.attempt import cut_off_outside_attempts, never
from workers.errors import PermanentError
from workers.s3.client import is_aws
from workers.s3.errors import FINAL, AlreadyThereError, reporting, status_of
from workers.transfer.parts import Digest, Part

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

#: Up to so many bytes a body carries its MD5 even where that is not needed: it takes 1.5 ms at most.
_SMALL = 1024**2


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


class Store(Bucket):
    """One bucket. Everything S3 refuses or fails to do is ``TransientError("store_unavailable")``.

    Keys that begin with ``probe_key`` are where the store is examined; they must be this process's own. ``upload_args``
    go with each object. ``known`` says what the store guarantees where that is known already. What is asked outside an
    attempt ends after ``ASK_SECONDS``, or when ``must_stop`` says so.
    """

    def __init__(  # noqa: PLR0913 - all but two have defaults
        self,
        client: "S3Client",
        bucket: str,
        pool: urllib3.PoolManager | None = None,
        *,
        bodies: "S3Client | None" = None,
        probe_key: str = "",
        upload_args: UploadArgs | None = None,
        known: Guarantees | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        must_stop: Callable[[], bool] = never,
    ) -> None:
        super().__init__(client, bucket, pool, bodies=bodies)
        known = OF_AWS if known is None and is_aws(client) else known
        self._must_stop = must_stop
        self._probe_key = probe_key or KeyLayout().probe_key(uuid4().hex)
        self._with_assets = upload_args or {}
        self._with_documents = of_documents(self._with_assets)
        self._of_put = Learned("put", known, monotonic)
        self._of_upload = Learned("multipart", known, monotonic)

    def write_once(self, new: NewObject, parts: Iterator[Part], digest: Digest, hold: Hold) -> Stored:
        """Store the parts (``read_parts``) as one object, unless one stands there already; ``digest`` follows them.

        Either way the result tells what stands there now. What ``hold.alive`` raises ends the
        write and leaves nothing behind.
        """
        first = next(parts)
        with reporting(FINAL), _telling_why(hold.alive):
            try:
                if first.is_last:
                    written = self._write_whole(new, first.data, digest, hold)
                else:
                    written = self._write_parts(new, chain([first], parts), digest, hold)
            except AlreadyThereError:
                written = False
            if not written:
                return self._found(new.key, digest, hold.alive)
        return Stored(digest.size, digest.sha256)

    def _write_whole(self, new: NewObject, body: memoryview, digest: Digest, hold: Hold) -> bool:
        """Write by one request, and tell whether these bytes stand there."""
        guarantees = self._of_put.ask(self._examine_put)
        metadata = {**new.metadata, "sha256": digest.sha256}
        checks = checksums(body, md5=guarantees.needs_md5)
        described = self._with_assets | {"ContentType": new.content_type, "Metadata": metadata} | checks
        put = partial(self.put, new.key, body, described, alive=hold.alive)
        etag = self._write_if_new(new.key, guarantees, lambda if_new: put(if_new=if_new))
        return self._stands(new.key, guarantees, Facts(len(body), etag))

    def _write_parts(self, new: NewObject, parts: Iterator[Part], digest: Digest, hold: Hold) -> bool:
        """Write by a multipart upload, and tell whether these bytes stand there."""
        guarantees = self._of_upload.ask(partial(self._examine_upload, hold))
        complete = partial(self._write_if_new, new.key, guarantees)
        described = self._with_assets | {"ContentType": new.content_type, "Metadata": new.metadata}
        etag = Upload(self, new.key, md5=guarantees.needs_md5).write(parts, described, complete, hold)
        return self._stands(new.key, guarantees, Facts(digest.size, etag))

    def _examine_put(self) -> Guarantees:
        with reporting():
            return examine_put(self, f"{self._probe_key}-put", self._with_documents)

    def _examine_upload(self, hold: Hold) -> Guarantees:
        with reporting():
            return examine_upload(self, f"{self._probe_key}-multipart", self._with_documents, hold)

    def _write_if_new(self, key: str, guarantees: Guarantees, write: Callable[[bool], str]) -> str:
        if guarantees.needs_look and self.exists(key):
            raise AlreadyThereError
        return write(guarantees.takes_condition)

    def _stands(self, key: str, guarantees: Guarantees, written: Facts) -> bool:
        """Tell whether what was written is what stands there.

        Where two writers are both told that they have written, one of them finds the other's object. A store may give
        an object another ETag than it gave to its writer; then the object is read (``_found``).
        """
        return not guarantees.needs_proof or self.facts(key) == written

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask something that ends, also outside an attempt; raises ``TransientError``."""
        with cut_off_outside_attempts(self._must_stop), reporting():
            yield

    def exists(self, key: str) -> bool:
        """Tell whether there is an object under the key."""
        with self._asking():
            return self.facts(key) is not None

    def abort(self, upload: str) -> None:
        """Abort a multipart upload, ``<upload id> <key>``; fine where there is none any more, or the store cannot."""
        upload_id, _, key = upload.partition(" ")
        with self._asking():
            self.abort_upload(key, upload_id)

    def unfinished(self, key: str) -> list[str]:
        """Give the key's multipart uploads, as ``abort`` takes them, as far as the store tells."""
        with self._asking():
            return [f"{upload_id} {key}" for upload_id in self.uploads(key)]

    def check(self) -> None:
        """Reach the bucket, or say why not by ``TransientError``."""
        with self._asking():
            self.client.head_bucket(Bucket=self.bucket)

    def _found(self, key: str, wanted: Digest, alive: Callable[[], None]) -> Stored:
        """Read the object under the key, so that its digest is of its bytes, and compare it with what was wanted."""
        digest = Digest()
        with self._asking():
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
        with self._asking():
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
        checks = checksums(body, md5=len(body) <= _SMALL or self._of_put.known.needs_md5)
        ascii_only = {name: value.encode("ascii", "replace").decode() for name, value in metadata.items()}
        with self._asking():
            described = self._with_documents | {"ContentType": content_type, "Metadata": ascii_only} | checks
            self.put(key, body, described, if_new=False)

    def metadata(self, key: str) -> dict[str, str]:
        """Give an object's metadata."""
        with self._asking():
            return _lower(self.client.head_object(Bucket=self.bucket, Key=key)["Metadata"])

    def list(self, prefix: str, *, limit: int, after: str = "") -> list[str]:
        """Give up to ``limit`` (1000 at most) keys below the prefix, in alphabetical order, those behind ``after``."""
        with self._asking():
            found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=limit, StartAfter=after)
        return [item["Key"] for item in found.get("Contents", [])]

    def delete(self, key: str) -> None:
        """Delete an object; fine where there is none."""
        with self._asking():
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def read_text(self, key: str) -> bytes | None:
        """Read a small object whole, or None where there is none."""
        with self._asking():
            try:
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            except ClientError as error:
                if status_of(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise


@contextlib.contextmanager
def _telling_why(alive: Callable[[], None]) -> Iterator[None]:
    """Let a write that must not go on fail for that reason, whatever boto3 has made of it."""
    try:
        yield
    except Exception:
        alive()
        raise


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    """Write names in lower case, as they were given: header names have no case, and stores change it."""
    return {name.lower(): value for name, value in metadata.items()}
