"""An object of many parts: uploaded while the next one is read, complete or not there at all."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from workers.bucket import Bucket
from workers.checksums import checksums
from workers.parts import Uploader

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


class Hold(Protocol):
    """Whoever writes an object shows that it is still at it, and what it leaves behind if it dies."""

    def alive(self) -> None:
        """Be asked, every second or so, whether the write may go on; what it raises ends the write."""

    def upload_began(self, upload: str) -> None:
        """Be told of a multipart upload: ``<upload id> <key>``, as ``Store.abort`` takes it."""

    def upload_ended(self) -> None:
        """Be told that it was completed or aborted."""


class Upload:
    """One multipart upload to a key, whose parts carry their MD5 if ``md5``."""

    def __init__(self, bucket: Bucket, key: str, *, md5: bool) -> None:
        self._bucket = bucket
        self._key = key
        self._md5 = md5

    def write(
        self,
        parts: Iterator[memoryview],
        arguments: Mapping[str, Any],
        complete: Callable[[Callable[[bool], str]], str],
        uploader: Uploader,
        hold: Hold,
    ) -> str:
        """Upload the parts and give the object's ETag.

        ``complete`` is called in the uploader's thread with what makes the object: ``if_new`` → ETag. Whatever is
        raised, the upload is aborted first; where that fails too, ``hold`` still knows of it.
        """
        key = self._key
        upload_id = self._bucket.create_upload(key, arguments)
        try:
            hold.upload_began(f"{upload_id} {key}")
            completed = list(self._parts(upload_id, parts, uploader))
            uploader.start(
                complete, lambda if_new: self._bucket.complete_upload(key, upload_id, completed, if_new=if_new)
            )
            etag: str = uploader.finish()
        except BaseException:
            uploader.drain()
            with contextlib.suppress(BotoCoreError, ClientError):
                self._bucket.abort_upload(key, upload_id)
                hold.upload_ended()
            raise
        hold.upload_ended()
        return etag

    def _parts(
        self, upload_id: str, parts: Iterator[memoryview], uploader: Uploader
    ) -> "Iterator[CompletedPartTypeDef]":
        """Upload each part while the next one is read."""
        for number, part in enumerate(parts, start=1):
            if number > 1:
                yield uploader.finish()
            uploader.start(self._part, upload_id, number, part)
        yield uploader.finish()

    def _part(self, upload_id: str, number: int, part: memoryview) -> "CompletedPartTypeDef":
        return self._bucket.put_part(self._key, upload_id, number, part, checksums(part, md5=self._md5))
