"""What boto3 raises, read: a status, S3's own code, and what it means for an asset."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError

from workers.errors import PermanentError, TransientError

#: S3's codes for requests that stay wrong however often they are sent.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
FINAL = frozenset({"EntityTooLarge", "KeyTooLongError", "MetadataTooLarge"})
#: Of S3's own words, so many characters are told.
_MAX_SAID = 300


class AlreadyThereError(Exception):
    """There is an object under the key, so the write was not made."""


@contextlib.contextmanager
def reporting(final: frozenset[str] = frozenset()) -> Iterator[None]:
    """Turn whatever boto3 raises into ``TransientError("store_unavailable")``, with S3's own words.

    A code among ``final`` becomes ``PermanentError("store_refused")``.
    """
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Message") or ""  # RGW sends an empty one.
        detail = f"S3 answered {status_of(error)} {code_of(error)} to {error.operation_name}: {said[:_MAX_SAID]}"
        if code_of(error) in final:
            raise PermanentError("store_refused", detail) from None
        raise TransientError("store_unavailable", detail) from None
    except (BotoCoreError, OSError) as error:
        raise TransientError("store_unavailable", type(error).__name__) from None


@contextlib.contextmanager
def already_there_told() -> Iterator[None]:
    """Turn the answer 412 into ``AlreadyThereError``."""
    try:
        yield
    except ClientError as error:
        if status_of(error) != HTTPStatus.PRECONDITION_FAILED:
            raise
        raise AlreadyThereError from None


def status_of(error: ClientError) -> int:
    """Give the HTTP status, or 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """Give S3's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def may_be_the_condition(error: ClientError) -> bool:
    """Tell whether a store may have refused a write because it does not know ``If-None-Match``."""
    return status_of(error) == HTTPStatus.NOT_IMPLEMENTED or (
        status_of(error) == HTTPStatus.BAD_REQUEST and code_of(error) in {"InvalidArgument", "NotImplemented"}
    )
