"""Tests a store's guarantees: sends bodies with wrong checksums, and writes conditionally to an existing key.

Bodies have a few bytes. Each caller uses a key of its own: with a shared key, one caller's delete would make the
other conclude that the store ignores conditions. Functions raise botocore's errors.
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
    """Examine ``PutObject``, called with ``arguments`` too."""

    def put(checks: Mapping[str, str], *, if_new: bool = False) -> str:
        return bucket.put(key, BODY, {**arguments, **checks}, if_new=if_new)

    with _deleting_object(bucket, key):
        condition = _condition(lambda if_new: put(_RIGHT, if_new=if_new), tries=2)
        right = partial(put, _RIGHT)
        if _refused(lambda: put(_WRONG_CRC32C), right):
            return Guarantees(Checksum.CRC32C, condition)
        return Guarantees(Checksum.MD5 if _refused(lambda: put(_WRONG_MD5), right) else Checksum.NONE, condition)


def examine_upload(bucket: Bucket, key: str, arguments: Mapping[str, Any], hold: Hold) -> Guarantees:
    """Examine multipart uploads, created with ``arguments``.

    rclone allows neither to upload a part number again nor to go on with an upload after a refused MD5. So an accepted
    part is not sent again, and each MD5 is tried in an upload of its own.
    """
    with _deleting_object(bucket, key):
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
    """Upload one part in an upload of its own."""
    with upload() as upload_id:
        bucket.put_part(key, upload_id, 1, BODY, checks)


@contextlib.contextmanager
def _deleting_object(bucket: Bucket, key: str) -> Iterator[None]:
    """Delete the object at the end. If that fails, the object stays and does no harm."""
    try:
        yield
    finally:
        with apart(), contextlib.suppress(BotoCoreError, ClientError):
            bucket.client.delete_object(Bucket=bucket.bucket, Key=key)


@contextlib.contextmanager
def _upload(bucket: Bucket, key: str, arguments: Mapping[str, Any], hold: Hold) -> Iterator[str]:
    """Create an upload, and abort it at the end, which does nothing if it was completed."""
    hold.upload_began(unnamed(key))
    upload_id = bucket.create_upload(key, arguments)
    try:
        hold.upload_began(f"{upload_id} {key}")
        yield upload_id
    finally:
        clear_up(bucket, key, upload_id, hold)


def _condition(write: Callable[[bool], object], *, tries: int) -> Condition:
    """Write ``tries`` times with a condition. At the last time the object exists."""
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
    """Tell whether the store refuses a wrong checksum.

    The right checksum is sent after a refusal. If the store refuses it too, the reason was another, and that error is
    raised.
    """
    try:
        wrong()
    except ClientError as error:
        # rclone ends the upload when it refuses a part. Botocore sends the part again, and gets NoSuchUpload.
        if status_of(error) != HTTPStatus.BAD_REQUEST and code_of(error) != "NoSuchUpload":
            raise
        right()
        return True
    return False
