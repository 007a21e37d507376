"""Assets in the bucket: each object is written once, as a whole or not at all, and verified.

A write carries ``If-None-Match: *``, so the second of two writers of one key changes nothing. Each body carries a
checksum, which the store compares before it accepts the body. Some stores ignore one or both. ``examination`` tests
this store, and ``Store`` takes another measure for each missing check: MD5 instead of CRC-32C, one HEAD before the
write and one after it. s3transfer is not used, because it can neither write conditionally nor keep to two parts in
memory.
"""

import contextlib
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
from config.values.upload_args import UploadArgs
from workers.bucket.checksums import checksums
from workers.bucket.documents import Documents, lower_names
from workers.bucket.examination import examine_put, examine_upload
from workers.bucket.guarantees import Guarantees, Learned
from workers.bucket.multipart import Hold, Upload
from workers.bucket.requests import Facts
from workers.connections.attempt import never
from workers.errors import PermanentError
from workers.s3.errors import FINAL, AlreadyThereError, code_of, reporting, status_of
from workers.transfer.parts import Digest, Part

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the bucket: its size in bytes and the SHA-256 of its content in hex."""

    size: int
    sha256: str
    found: str = ""
    """Empty if this write made the object. Otherwise the object existed before: ``same`` if its bytes equal those of
    the write, ``different`` if not, ``damaged`` if they also contradict the SHA-256 in its metadata; ``unread`` if
    there was no write (``look_up``)."""
    content_type: str = ""
    """Of an object that existed before."""


@dataclass(frozen=True, slots=True)
class NewObject:
    """Key, content type and metadata of an object to be written. S3 accepts 2 KB of ASCII as metadata."""

    key: str
    content_type: str
    metadata: Mapping[str, str]


class Store(Documents):
    """One bucket, for assets and documents. Any failure of S3 is raised as ``TransientError("store_unavailable")``.

    ``upload_args``, ``known`` and ``must_stop``: see ``Documents``. The store is examined with objects under keys that
    ``new_probe_key`` gives, each another one.
    """

    def __init__(  # noqa: PLR0913 - all but two have defaults
        self,
        client: "S3Client",
        bucket: str,
        pool: urllib3.PoolManager | None = None,
        *,
        bodies: "S3Client | None" = None,
        new_probe_key: Callable[[], str] = lambda: KeyLayout().probe_key(uuid4().hex),
        upload_args: UploadArgs | None = None,
        known: Guarantees | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        must_stop: Callable[[], bool] = never,
    ) -> None:
        super().__init__(
            client,
            bucket,
            pool,
            bodies=bodies,
            upload_args=upload_args,
            known=known,
            monotonic=monotonic,
            must_stop=must_stop,
        )
        self._new_probe_key = new_probe_key
        self._with_assets = upload_args or {}
        self._of_upload = Learned("multipart", self._known, monotonic)

    def write_once(self, new: NewObject, parts: Iterator[Part], digest: Digest, hold: Hold) -> Stored:
        """Store the parts (``read_parts``) as one object, unless its key is taken; ``digest`` is of the parts so far.

        The result describes the object under the key in either case. An error raised by ``hold.alive`` ends the
        write and leaves nothing in the bucket.
        """
        first = next(parts)
        with reporting(FINAL), _preferring_errors_of(hold.alive):
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
        """Write in one request. Returns whether the object under the key has these bytes."""
        guarantees = self._of_put.ask(self._examine_put)
        metadata = {**new.metadata, "sha256": digest.sha256}
        checks = checksums(body, md5=guarantees.needs_md5)
        described = self._with_assets | {"ContentType": new.content_type, "Metadata": metadata} | checks
        put = partial(self.put, new.key, body, described, alive=hold.alive)
        etag = self._write_if_new(new.key, guarantees, lambda if_new: put(if_new=if_new))
        return self._is_in_place(new.key, guarantees, Facts(len(body), etag))

    def _write_parts(self, new: NewObject, parts: Iterator[Part], digest: Digest, hold: Hold) -> bool:
        """Write by a multipart upload. Returns whether the object under the key has these bytes."""
        guarantees = self._of_upload.ask(partial(self._examine_upload, hold))
        complete = partial(self._write_if_new, new.key, guarantees)
        described = self._with_assets | {"ContentType": new.content_type, "Metadata": new.metadata}
        etag = Upload(self, new.key, md5=guarantees.needs_md5).write(parts, described, complete, hold)
        return self._is_in_place(new.key, guarantees, Facts(digest.size, etag))

    def _examine_put(self) -> Guarantees:
        with reporting():
            return examine_put(self, f"{self._new_probe_key()}-put", self._with_documents)

    def _examine_upload(self, hold: Hold) -> Guarantees:
        with reporting():
            return examine_upload(self, f"{self._new_probe_key()}-multipart", self._with_documents, hold)

    def _write_if_new(self, key: str, guarantees: Guarantees, write: Callable[[bool], str]) -> str:
        if guarantees.needs_look and self.exists(key):
            raise AlreadyThereError
        return write(guarantees.takes_condition)

    def _is_in_place(self, key: str, guarantees: Guarantees, written: Facts) -> bool:
        """Check that the object under the key is the one just written.

        A store may answer 200 to two writers at once; then one of them finds the other's object here. A store may also
        report another ETag in HEAD than it gave to the writer; then ``_found`` reads the object.
        """
        return not guarantees.needs_proof or self.facts(key) == written

    def _found(self, key: str, wanted: Digest, alive: Callable[[], None]) -> Stored:
        """Read the object under the key, hash its bytes and compare them with ``wanted``."""
        digest = Digest()
        with self._asking():
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
            for piece in answer["Body"].iter_chunks(1024**2):
                digest.update(piece)
                alive()
        own = lower_names(answer["Metadata"]).get("sha256", digest.sha256)
        found = "same" if digest.sha256 == wanted.sha256 else "different" if digest.sha256 == own else "damaged"
        return Stored(digest.size, digest.sha256, found, answer["ContentType"])

    def look_up(self, key: str) -> Stored | None:
        """Describe the object under the key without reading it (``found`` is ``unread``), or return None.

        The SHA-256 is the one in its metadata; an object of several parts has none there. None is certain: the bucket
        answered, and it has no such object, or cannot have this key (400).
        """
        with self._asking():
            try:
                answer = self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if status_of(error) not in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
                    raise
                self.client.head_bucket(Bucket=self.bucket)  # A missing bucket is 404, too.
                return None
        sha256 = lower_names(answer.get("Metadata", {})).get("sha256", "")
        return Stored(answer["ContentLength"], sha256, "unread", answer.get("ContentType", ""))

    def exists(self, key: str) -> bool:
        """Tell whether there is an object under the key."""
        with self._asking():
            return self.facts(key) is not None

    def abort(self, upload: str) -> None:
        """Abort a multipart upload, ``<upload id> <key>``. Does nothing if it has ended or the store cannot abort."""
        upload_id, _, key = upload.partition(" ")
        with self._asking():
            self.abort_upload(key, upload_id)

    def unfinished(self, key: str) -> list[str]:
        """List the key's multipart uploads, in the form that ``abort`` takes; empty if the store does not list them."""
        with self._asking():
            return [f"{upload_id} {key}" for upload_id in self.uploads(key)]

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator["StreamingBody"]:
        """Open an object for reading. Raises ``PermanentError`` (``part_gone``) if there is none."""
        with self._asking():
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
            except ClientError as error:
                # Not the status: a missing bucket is 404 too.
                if code_of(error) == "NoSuchKey":
                    raise PermanentError("part_gone", "the partial file is not in the bucket any more") from None
                raise
            with contextlib.closing(body):
                yield body


@contextlib.contextmanager
def _preferring_errors_of(alive: Callable[[], None]) -> Iterator[None]:
    """If ``alive`` raises an error too, raise that one: botocore may have wrapped it in an error of its own."""
    try:
        yield
    except Exception:
        alive()
        raise
