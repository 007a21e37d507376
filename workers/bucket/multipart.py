"""Multipart uploads: each is completed or aborted. The ledger notes one that could be left behind."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from workers.bucket.checksums import checksums
from workers.bucket.requests import Bucket
from workers.connections.attempt import apart
from workers.ledger.uploads import UNNAMED
from workers.transfer.parts import Part


def unnamed(key: str) -> str:
    """Make a unique name for an upload to a key before the store gives it an id."""
    return f"{UNNAMED}{uuid4().hex} {key}"


class Hold(Protocol):
    """The writer's lease on an asset. It also notes the multipart upload that a dead process would leave behind."""

    def alive(self) -> None:
        """Check that the write may go on; called about every second. An error raised here ends the write."""

    def upload_began(self, upload: str) -> None:
        """Note a multipart upload: ``<upload id> <key>``, as ``Store.abort`` takes it.

        It is noted by its ``unnamed`` name before it is created, because a process that dies then may leave an upload.
        """

    def upload_left(self) -> None:
        """Keep the note of an upload that could not be aborted. The next upload does not replace it."""

    def upload_ended(self) -> None:
        """Remove the note: the upload was completed or aborted."""


class Upload:
    """One multipart upload to a key. Its parts carry their MD5 if ``md5``."""

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
        """Upload the parts and return the object's ETag.

        ``complete`` gets the function that completes the upload (``if_new`` → ETag) and calls it. On any error the
        upload is aborted first; if that fails too, ``hold`` keeps the note of it.
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
    """Abort an upload. If that fails, the sweep does it later."""
    try:
        with apart():
            bucket.abort_upload(key, upload_id)
    except (BotoCoreError, ClientError):
        hold.upload_left()
    else:
        hold.upload_ended()
