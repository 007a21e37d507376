"""Reads a response's headers: the file's length, its encoding and its identity (RFC 9110). Pure."""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from workers.errors import TransientError

_DECODABLE = frozenset({"identity", "gzip", "x-gzip", "deflate"})
#: http.client undoes only these. A body with another one is returned with its chunk sizes in between.
_TRANSFER_CODINGS = frozenset({"", "identity", "chunked"})
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


def check_decodable(response: requests.Response) -> None:
    """Raise ``TransientError`` (``undecodable``) for a coding that was not asked for and cannot be undone."""
    if not _DECODABLE.issuperset(name.strip() for name in encoding(response).split(",")):
        raise TransientError("undecodable", "the source sent an encoding that was not requested")
    if response.headers.get("Transfer-Encoding", "").lower().strip() not in _TRANSFER_CODINGS:
        raise TransientError("undecodable", "the source sent a transfer coding that was not requested")


def has_announced_end(response: requests.Response) -> bool:
    """Tell whether a length or a last chunk marks the end of the body. If not, the end of the connection does."""
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or re.fullmatch(r"[0-9]{1,18}", response.headers.get("Content-Length", "")) is not None


def announced_length(response: requests.Response) -> int | None:
    """Return the announced number of bytes after decoding; None if it is not known.

    The Content-Length of an encoded body counts the encoded bytes; urllib3 checks those.
    """
    text = response.headers.get("Content-Length", "")
    if encoding(response) != "identity" or "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def validator(response: requests.Response) -> str:
    """Return a strong validator of the file, for ``If-Range``; empty if there is none.

    That is a strong ETag, else a Last-Modified that is strong because it lies a second or more before the
    response's Date (section 8.8.2.2). An encoded body has none: it cannot be resumed in its middle.
    """
    if encoding(response) != "identity":
        return ""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    try:
        modified = parsedate_to_datetime(response.headers["Last-Modified"])
        sent = parsedate_to_datetime(response.headers["Date"])
        return response.headers["Last-Modified"] if sent - modified >= timedelta(seconds=1) else ""
    except (KeyError, ValueError, TypeError):
        return ""


def continues(response: requests.Response, start: int, length: int | None, proof: str) -> bool:
    """Tell whether the response is the rest, from byte ``start`` on, of the file with the validator ``proof``."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or not found or encoding(response) != "identity":
        return False
    first, last, total = map(int, found.groups())
    same = proof in {response.headers.get("ETag"), response.headers.get("Last-Modified")}
    return same and first == start and last == total - 1 and length in {None, total}


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds of Retry-After; a date is compared with the source's own Date (section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        wanted, sent = parsedate_to_datetime(text), parsedate_to_datetime(response.headers["Date"])
        return max(0.0, (wanted - sent).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def encoding(response: requests.Response) -> str:
    """Return the names of the content codings, in lower case, in the order in which they were applied."""
    return response.headers.get("Content-Encoding", "identity").lower()
