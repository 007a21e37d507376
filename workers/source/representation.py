"""What a response's headers say of the file behind it: its length, its encoding, its identity (RFC 9110)."""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests

from workers.errors import TransientError

_DECODABLE = frozenset({"identity", "gzip", "x-gzip", "deflate"})
#: http.client undoes no other one, and gives what it does not know with its chunk sizes in between.
_TRANSFER_CODINGS = frozenset({"", "identity", "chunked"})
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


def check_decodable(response: requests.Response) -> None:
    """Raise ``TransientError`` (``undecodable``) for an encoding that was not asked for and cannot be undone."""
    if not _DECODABLE.issuperset(name.strip() for name in encoding(response).split(",")):
        raise TransientError("undecodable", "the source insists on an encoding that was not asked for")
    if response.headers.get("Transfer-Encoding", "").lower().strip() not in _TRANSFER_CODINGS:
        raise TransientError("undecodable", "the source insists on a transfer coding that was not asked for")


def has_announced_end(response: requests.Response) -> bool:
    """Tell whether a length or a last chunk shows where the body ends. If not, the connection's end does."""
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or re.fullmatch(r"[0-9]{1,18}", response.headers.get("Content-Length", "")) is not None


def announced_length(response: requests.Response) -> int | None:
    """Give the number of bytes that will be read, where it was announced.

    An encoded body's Content-Length counts what travels, not what is read; urllib3 checks that one.
    """
    text = response.headers.get("Content-Length", "")
    if encoding(response) != "identity" or "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def validator(response: requests.Response) -> str:
    """Give what proves later that the file is the same, for ``If-Range``; empty where nothing does.

    A strong ETag, else a Last-Modified that is strong because it lies a second or more before the
    response's Date (section 8.8.2.2). An encoded body cannot be taken up in its middle.
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
    """Tell whether the response is the rest, from byte ``start`` on, of the file that ``proof`` stands for."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or not found or encoding(response) != "identity":
        return False
    first, last, total = map(int, found.groups())
    same = proof in {response.headers.get("ETag"), response.headers.get("Last-Modified")}
    return same and first == start and last == total - 1 and length in {None, total}


def retry_after(response: requests.Response) -> float | None:
    """Read Retry-After, in seconds or as a date against the source's own Date (section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        wanted, sent = parsedate_to_datetime(text), parsedate_to_datetime(response.headers["Date"])
        return max(0.0, (wanted - sent).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def encoding(response: requests.Response) -> str:
    """Give the names of the content codings, in lower case and in the order in which they were applied."""
    return response.headers.get("Content-Encoding", "identity").lower()
