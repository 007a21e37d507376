"""WAV, WebP, AVI (RIFF) and AIFF (IFF): a form with its size, and chunks in it with theirs.

Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"; "EA IFF 85"; EBU Tech 3306 (RF64).
"""

from typing import Literal

from workers.media.formats.walking import Step, Walk, cut_off, length, reaches, take

FORMS = (b"RIFF", b"FORM", b"RF64", b"BW64")
#: A form's name, size and kind; a chunk's name and size.
_FORM_HEADER, _HEADER = 12, 8
_SIZE_64 = slice(8, 16)
#: Sizes from here on, and 0, are placeholders for an unknown size. They stay in the file where the output was a pipe:
#: ffmpeg leaves 0xFFFFFFFF, SoX 0x7FFFF000 and a little more, others 0x80000000.
_PLACEHOLDERS = 0x7FFF0000
_PRINTABLE = range(0x20, 0x7F)


def forms(at: int) -> Walk:
    """Walk through a form, and through those that follow: a large AVI file has several."""
    while True:
        header = yield from take(at, _FORM_HEADER)
        if header[:4] not in FORMS:
            # Any bytes may follow the end of the form.
            return ""
        if len(header) < _FORM_HEADER:
            cut_off("the form has no size")
        end = yield from _end(at, header)
        order: Literal["big", "little"] = "big" if header.startswith(b"FORM") else "little"
        stopped, broken = yield from _chunks(at + _FORM_HEADER, end, order)
        if end is None or stopped < end:
            break
        at = end
    total = yield from length()
    if end is None and broken:
        cut_off(f"the chunk {broken} goes beyond the end")
    # A few writers add the header to the size: all chunks are there, and the missing bytes have no room for another.
    if end is not None and total < end and (broken or total < stopped or end - total > _HEADER):
        cut_off(f"only {total} of {end} bytes came")
    return ""


def _end(at: int, header: bytes) -> Step[int | None]:
    """Return the offset of the form's end, None where its size is unknown."""
    size = int.from_bytes(header[4:8], "big" if header.startswith(b"FORM") else "little")
    if header.startswith((b"RF64", b"BW64")):
        chunk = yield from take(at + _FORM_HEADER, 16)
        size = int.from_bytes(chunk[_SIZE_64], "little") if chunk.startswith(b"ds64") else 0
        return at + _HEADER + size if size else None
    return at + _HEADER + size if 0 < size < _PLACEHOLDERS else None


def _chunks(at: int, end: int | None, order: Literal["big", "little"]) -> Step[tuple[int, str]]:
    """Return the offset where the chunks end or cannot be followed, and the name of an incomplete chunk."""
    while end is None or at < end:
        header = yield from take(at, _HEADER)
        size = int.from_bytes(header[4:], order)
        if len(header) < _HEADER:
            return at, "whose header comes last" if header else ""
        if not all(sign in _PRINTABLE for sign in header[:4]):
            return at, "" if end is None else "without a name"
        if size >= _PLACEHOLDERS or (not size and header[:4] in {b"data", b"SSND"}):
            return at, "" if end is None else "without a size"
        if size and not (yield from reaches(at + _HEADER + size)):
            return at, header[:4].decode()
        at += _HEADER + size + size % 2
    return at, ""
