"""An object of many parts: complete, or not there at all."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from workers.bucket.checksums import checksums
from workers.bucket.requests import Bucket
from workers.connections.attempt import apart
from workers.ledger.records import UNNAMED
from workers.transfer.parts import Part


def unnamed(key: str) -> str:
    """Name an upload to a key that has no id yet, unlike any other."""
    return f"{UNNAMED}{uuid4().hex} {key}"


class Hold(Protocol):
    """Whoever writes an object shows that it is still at it, and what it leaves behind if it dies."""

    def alive(self) -> None:
        """Be asked, every second or so, whether the write may go on; what it raises ends the write."""

    def upload_began(self, upload: str) -> None:
        """Be told of a multipart upload: ``<upload id> <key>``, as ``Store.abort`` takes it.

        Before it is created, it is told as ``unnamed``. Who dies then may leave an upload.
        """

    def upload_left(self) -> None:
        """Be told that it could not be aborted: it stays noted, and another one does not take its place."""

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
        parts: Iterator[Part],
        arguments: Mapping[str, Any],
        complete: Callable[[Callable[[bool], str]], str],
        hold: Hold,
    ) -> str:
        """Upload the parts and give the object's ETag.

        ``complete`` is called with what makes the object: ``if_new`` → ETag. Whatever is raised, the upload is aborted
        first; where that fails too, ``hold`` still knows of it.
        """
        bucket, key = self._bucket, self._key
        hold.upload_began(unnamed(key))
        upload_id = bucket.create_upload(key, arguments)
        try:
            hold.upload_began(f"{upload_id} {key}")
            completed = [
                bucket.put_part(
                    key, upload_id, number, part.data, checksums(part.data, md5=self._md5), alive=hold.alive
                )
                for number, part in enumerate(parts, start=1)
            ]
            hold.alive()
            etag = complete(lambda if_new: bucket.complete_upload(key, upload_id, completed, if_new=if_new))
        except BaseException:
            clear_up(bucket, key, upload_id, hold)
            raise
        hold.upload_ended()
        return etag


def clear_up(bucket: Bucket, key: str, upload_id: str, hold: Hold) -> None:
    """Abort an upload, or leave it to the sweep."""
    try:
        with apart():
            bucket.abort_upload(key, upload_id)
    except (BotoCoreError, ClientError):
        hold.upload_left()
    else:
        hold.upload_ended()
