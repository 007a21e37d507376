"""Undoes Content-Encoding (RFC 9110, section 8.4.1), up to the end that the encoded stream itself marks.

urllib3 accepts an encoded stream that stops anywhere, and drops a damaged gzip member behind the first one.
"""

import zlib
from collections.abc import Callable
from typing import Protocol

from workers.errors import TransientError

#: Reads at most so many bytes; returns none only at the end.
Read = Callable[[int], bytes]

#: Nested codings in one body. No known source sends more.
MAX_CODINGS = 5
#: Encoded bytes that are read at a time.
_INPUT_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
#: RFC 1950's compression method.
_DEFLATED = 8
#: zlib's ``wbits``.
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decoded(read: Read, codings: str) -> Read:
    """Return a function that reads the decoded bytes of ``read``.

    ``codings`` is the value of a Content-Encoding header, in lower case. Raises ``TransientError``: ``undecodable`` for
    more than ``MAX_CODINGS`` codings, and while reading for a body that does not match them; ``truncated`` where the
    encoded stream stops before its own end.
    """
    names = [name.strip() for name in codings.split(",")]
    if len(names) > MAX_CODINGS:
        raise TransientError("undecodable", f"{len(names)} encodings in one another")
    for name in reversed(names):
        if name != "identity":
            read = _Inflating(read, _gzip if name.endswith("gzip") else _deflate).read
    return read


class _Inflater(Protocol):
    """The object that ``zlib.decompressobj`` returns."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip(start: bytes, *, is_first: bool) -> _Inflater | None:
    """Begin a member (RFC 1952, section 2.2). Bytes behind the first member that begin no other one are ignored."""
    return zlib.decompressobj(_GZIP) if is_first or _GZIP_MAGIC.startswith(start) else None


def _deflate(start: bytes, *, is_first: bool) -> _Inflater | None:
    """Begin a zlib stream (RFC 1950, section 2.2), or bare deflated data, which some servers send in its place."""
    has_header = start[0] & 0x0F == _DEFLATED and int.from_bytes(start) % 31 == 0
    return zlib.decompressobj(_ZLIB if has_header else _RAW) if is_first else None


class _Begin(Protocol):
    def __call__(self, start: bytes, *, is_first: bool) -> _Inflater | None:
        """Return the inflater of the stream that begins with these bytes, at most 2; None for no stream."""


class _Inflating:
    """Undoes one coding while it is read. Keeps ``_INPUT_BYTES`` and zlib's own state in memory."""

    def __init__(self, read: Read, begin: _Begin) -> None:
        self._read = read
        self._begin = begin
        self._encoded = b""
        self._inflater: _Inflater | None = None
        self._is_first = True

    def read(self, size: int) -> bytes:
        """Read at most so many decoded bytes; none only at the end. Raises ``TransientError``."""
        while inflater := self._inflater or self._next_stream():
            data = self._inflate(inflater, size)
            if inflater.eof:
                self._inflater = None
            elif not data and not self._more():
                raise TransientError("truncated", "the encoded stream did not come to its end")
            if data:
                return data
        # Read on to the end of the HTTP body, so that a body shorter than announced is still noticed.
        while self._more():
            self._encoded = b""
        return b""

    def _next_stream(self) -> _Inflater | None:
        while len(self._encoded) < len(_GZIP_MAGIC) and self._more():
            pass
        start, is_first = self._encoded[: len(_GZIP_MAGIC)], self._is_first
        self._is_first = False
        self._inflater = self._begin(start, is_first=is_first) if start else None
        return self._inflater

    def _inflate(self, inflater: _Inflater, size: int) -> bytes:
        try:
            data = inflater.decompress(self._encoded, size)
        except zlib.error:
            raise TransientError("undecodable", "the body does not match its Content-Encoding") from None
        self._encoded = inflater.unconsumed_tail or inflater.unused_data
        return data

    def _more(self) -> bool:
        more = self._read(_INPUT_BYTES)
        self._encoded += more
        return bool(more)
