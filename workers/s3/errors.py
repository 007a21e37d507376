"""Botocore's errors by meaning: HTTP status, S3 error code, and the error of ours that follows."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from workers.errors import PermanentError, TransientError

#: S3's codes for requests that no repetition makes succeed.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
FINAL = frozenset({"EntityTooLarge", "KeyTooLongError", "MetadataTooLarge"})
#: Characters of S3's message that an error of ours repeats.
_MAX_MESSAGE = 300


class AlreadyThereError(Exception):
    """There is an object under the key already. The write changed nothing."""


@contextlib.contextmanager
def reporting(final: frozenset[str] = frozenset()) -> Iterator[None]:
    """Turn botocore's errors into ``TransientError("store_unavailable")`` with S3's message.

    The codes in ``final`` become ``PermanentError("store_refused")``.
    """
    try:
        yield
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message") or ""  # RGW sends an empty one.
        # Without a body, botocore gives the status as the code, too.
        said = " ".join(dict.fromkeys([str(status_of(error)), code_of(error)]))
        detail = f"S3 answered {said} to {error.operation_name}: {message[:_MAX_MESSAGE]}"
        if code_of(error) in final:
            raise PermanentError("store_refused", detail) from None
        raise TransientError("store_unavailable", detail) from None
    except (BotoCoreError, OSError) as error:
        raise TransientError("store_unavailable", type(error).__name__) from None


@contextlib.contextmanager
def already_there_told() -> Iterator[None]:
    """Turn an answer 412 into ``AlreadyThereError``."""
    try:
        yield
    except ClientError as error:
        if status_of(error) != HTTPStatus.PRECONDITION_FAILED:
            raise
        raise AlreadyThereError from None


def status_of(error: ClientError) -> int:
    """Return the HTTP status, 0 if there was no answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """Return S3's error code, ``unknown`` if there is none."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def may_be_the_condition(error: ClientError) -> bool:
    """Tell whether the store may have refused a write because it does not know ``If-None-Match``."""
    return status_of(error) == HTTPStatus.NOT_IMPLEMENTED or (
        status_of(error) == HTTPStatus.BAD_REQUEST and code_of(error) in {"InvalidArgument", "NotImplemented"}
    )
