"""The lines of a text whose encoding is not known, in bounded memory.

Task ids are ASCII, so bytes that cannot be decoded matter only to the line that has them in an id.
"""

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from workers.errors import StemvaultError

#: The name of standard input.
STDIN = "-"

#: The most characters of a line; the rest of a longer one is left out.
MAX_LINE = 1024**2
_CHUNK = 64 * 1024
#: Byte order marks, with the encodings that they announce.
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LONGEST_MARK = max(map(len, _MARKS))


class ByteStream(Protocol):
    """An open binary file, or standard input."""

    def read(self, size: int, /) -> bytes:
        """Read ``size`` bytes, fewer only at the end."""

    def read1(self, size: int, /) -> bytes:
        """Read the available bytes, at most ``size``; nothing at the end only."""

    def seekable(self) -> bool:
        """Tell whether it can be read again."""

    def seek(self, offset: int, /) -> int:
        """Go to a byte."""


@contextmanager
def opened(name: str) -> Iterator[ByteStream]:
    """Open a list, ``-`` for standard input. Raises ``StemvaultError`` if it cannot be read."""
    if name == STDIN:
        yield cast("ByteStream", sys.stdin.buffer)  # a BufferedReader
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - it is closed below; here only the opening may fail
    except OSError as error:
        raise StemvaultError(f"{name} cannot be read: {error.strerror}.") from None
    with file:
        yield file


def lines_of(stream: ByteStream) -> Iterator[str]:
    """Give each line without its end, which is LF, CRLF or CR.

    Without a byte order mark the text is read as UTF-8; other bytes become U+FFFD. NULs are left out: so ASCII
    characters of UTF-16 without a mark are read, too.
    """
    head = stream.read(_LONGEST_MARK)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    bytes_decoder = codecs.getincrementaldecoder(_MARKS.get(mark, "utf-8"))("replace")
    decoder = io.IncrementalNewlineDecoder(bytes_decoder, translate=True)
    left = decoder.decode(head[len(mark) :])
    while chunk := stream.read1(_CHUNK):
        text = decoder.decode(chunk)
        if len(left) >= MAX_LINE:
            text = text[text.find("\n") :] if "\n" in text else ""
        *whole, left = (left + text).split("\n") if text else (left,)
        yield from map(_bounded, whole)
    *whole, left = (left + decoder.decode(b"", final=True)).split("\n")
    yield from map(_bounded, whole)
    if left:
        yield _bounded(left)


def _bounded(line: str) -> str:
    return line[:MAX_LINE].replace("\0", "")
