"""What a store guarantees, found out by trying: wrong checksums, and writes where an object stands.

Bodies have a few bytes, and the key is the caller's own: if two examined one key, the one that deletes its object first
would make the other take the store for one that ignores conditions. Functions raise what boto3 raises.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workers.bucket.checksums import checksums
from workers.bucket.guarantees import Checksum, Condition, Guarantees
from workers.bucket.multipart import Hold, clear_up, unnamed
from workers.bucket.requests import Bucket
from workers.connections.attempt import apart
from workers.s3.errors import AlreadyThereError, code_of, may_be_the_condition, status_of

BODY = b"Stemvault tries here what this store checks."
_RIGHT = checksums(BODY, md5=True)
_WRONG_CRC32C = checksums(b"Some other bytes.", md5=False)
_WRONG_MD5 = {**_RIGHT, "ContentMD5": checksums(b"Some other bytes.", md5=True)["ContentMD5"]}


def examine_put(bucket: Bucket, key: str, arguments: Mapping[str, Any]) -> Guarantees:
    """Examine ``PutObject``, which gets ``arguments`` too."""

    def put(checks: Mapping[str, str], *, if_new: bool = False) -> str:
        return bucket.put(key, BODY, {**arguments, **checks}, if_new=if_new)

    with _left_clean(bucket, key):
        condition = _condition(lambda if_new: put(_RIGHT, if_new=if_new), tries=2)
        right = partial(put, _RIGHT)
        if _refused(lambda: put(_WRONG_CRC32C), right):
            return Guarantees(Checksum.CRC32C, condition)
        return Guarantees(Checksum.MD5 if _refused(lambda: put(_WRONG_MD5), right) else Checksum.NONE, condition)


def examine_upload(bucket: Bucket, key: str, arguments: Mapping[str, Any], hold: Hold) -> Guarantees:
    """Examine multipart uploads, which are created with ``arguments``.

    A part that was taken is not uploaded again under its number, and after a refused MD5 nothing more is tried with the
    upload, since rclone allows neither.
    """
    with _left_clean(bucket, key):
        bucket.put(key, BODY, {**arguments, **_RIGHT}, if_new=False)
        with _upload(bucket, key, arguments, hold) as upload_id:
            try:
                taken = bucket.put_part(key, upload_id, 1, BODY, _WRONG_CRC32C)
            except ClientError as error:
                if status_of(error) != HTTPStatus.BAD_REQUEST:
                    raise
                checksum = Checksum.CRC32C
                part = bucket.put_part(key, upload_id, 1, BODY, _RIGHT)
            else:
                checksum = Checksum.UNKNOWN
                part = {**taken, "ChecksumCRC32C": _RIGHT["ChecksumCRC32C"]}
            condition = _condition(
                lambda if_new: bucket.complete_upload(key, upload_id, [part], if_new=if_new), tries=1
            )
        if checksum is Checksum.UNKNOWN:
            upload = partial(_upload, bucket, key, arguments, hold)
            refused = _refused(
                partial(_part, bucket, key, upload, _WRONG_MD5), partial(_part, bucket, key, upload, _RIGHT)
            )
            checksum = Checksum.MD5 if refused else Checksum.NONE
    return Guarantees(checksum, condition)


def _part(
    bucket: Bucket, key: str, upload: Callable[[], AbstractContextManager[str]], checks: Mapping[str, str]
) -> None:
    """Upload a part in an upload of its own."""
    with upload() as upload_id:
        bucket.put_part(key, upload_id, 1, BODY, checks)


@contextlib.contextmanager
def _left_clean(bucket: Bucket, key: str) -> Iterator[None]:
    """Delete the object in the end. One that cannot be deleted does no harm."""
    try:
        yield
    finally:
        with apart(), contextlib.suppress(BotoCoreError, ClientError):
            bucket.client.delete_object(Bucket=bucket.bucket, Key=key)


@contextlib.contextmanager
def _upload(bucket: Bucket, key: str, arguments: Mapping[str, Any], hold: Hold) -> Iterator[str]:
    """Create an upload and abort it, if it is not completed by then."""
    hold.upload_began(unnamed(key))
    upload_id = bucket.create_upload(key, arguments)
    try:
        hold.upload_began(f"{upload_id} {key}")
        yield upload_id
    finally:
        clear_up(bucket, key, upload_id, hold)


def _condition(write: Callable[[bool], object], *, tries: int) -> Condition:
    """Write conditionally so many times, the last time where an object stands."""
    for _ in range(tries):
        try:
            write(True)
        except AlreadyThereError:
            return Condition.HONOURED
        except ClientError as error:
            if not may_be_the_condition(error):
                raise
            write(False)
            return Condition.REFUSED
    return Condition.IGNORED


def _refused(wrong: Callable[[], object], right: Callable[[], object]) -> bool:
    """Tell whether wrong bytes are refused. A store that then takes no right ones either has refused something else."""
    try:
        wrong()
    except ClientError as error:
        # rclone gives up the upload with a part that it refuses, so boto3 finds none when it sends the part again.
        if status_of(error) != HTTPStatus.BAD_REQUEST and code_of(error) != "NoSuchUpload":
            raise
        right()
        return True
    return False
