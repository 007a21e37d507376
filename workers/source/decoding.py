"""Content-Encoding undone, and only up to where the encoded stream says that it ends (RFC 9110, section 8.4.1).

urllib3 takes an encoded stream for whole wherever it stops, and drops a damaged gzip member behind the first one.
"""

import zlib
from collections.abc import Callable
from typing import Protocol

from workers.errors import TransientError

#: Reads at most so many bytes; gives none at the end only.
Read = Callable[[int], bytes]

#: More codings than that, one in the other, nobody sends in good faith.
MAX_CODINGS = 5
#: Encoded bytes that are read at a time.
_INPUT_BYTES = 64 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
#: RFC 1950's compression method.
_DEFLATED = 8
#: zlib's ``wbits``.
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def decoded(read: Read, codings: str) -> Read:
    """Give what reads the decoded bytes of ``read``, for the value of a Content-Encoding header in lower case.

    That raises ``TransientError``: ``truncated`` where the encoded stream ends before its own end, ``undecodable`` for
    what is no such stream and for more than ``MAX_CODINGS`` codings.
    """
    names = [name.strip() for name in codings.split(",")]
    if len(names) > MAX_CODINGS:
        raise TransientError("undecodable", f"{len(names)} encodings in one another")
    for name in reversed(names):
        if name != "identity":
            read = _Inflating(read, _gzip if name.endswith("gzip") else _deflate).read
    return read


class _Inflater(Protocol):
    """What ``zlib.decompressobj`` gives."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip(start: bytes, *, is_first: bool) -> _Inflater | None:
    """Begin another member if there is one (RFC 1952, section 2.2); other bytes behind the first are not looked at."""
    return zlib.decompressobj(_GZIP) if is_first or _GZIP_MAGIC.startswith(start) else None


def _deflate(start: bytes, *, is_first: bool) -> _Inflater | None:
    """Begin a zlib stream (RFC 1950, section 2.2), or what some servers send in its place: bare deflated data."""
    has_header = start[0] & 0x0F == _DEFLATED and int.from_bytes(start) % 31 == 0
    return zlib.decompressobj(_ZLIB if has_header else _RAW) if is_first else None


class _Begin(Protocol):
    def __call__(self, start: bytes, *, is_first: bool) -> _Inflater | None:
        """Give what inflates the stream that begins with these bytes, 2 where there are so many; None for no stream."""


class _Inflating:
    """One coding undone while it is read. Holds ``_INPUT_BYTES`` and what zlib needs."""

    def __init__(self, read: Read, begin: _Begin) -> None:
        self._read = read
        self._begin = begin
        self._encoded = b""
        self._inflater: _Inflater | None = None
        self._is_first = True

    def read(self, size: int) -> bytes:
        """Read at most so many decoded bytes; none at the end only. Raises ``TransientError``."""
        while inflater := self._inflater or self._next_stream():
            data = self._inflate(inflater, size)
            if inflater.eof:
                self._inflater = None
            elif not data and not self._more():
                raise TransientError("truncated", "the encoded stream did not come to its end")
            if data:
                return data
        # The end of what is encoded proves nothing where HTTP itself still waits for bytes.
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
