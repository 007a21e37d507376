"""WAV, WebP, AVI (RIFF) and AIFF (IFF): a form that names its size, and chunks in it that name theirs.

Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0"; "EA IFF 85"; EBU Tech 3306 (RF64).
"""

from typing import Literal

from workers.media.formats.walking import Step, Walk, cut_off, length, reaches, take

FORMS = (b"RIFF", b"FORM", b"RF64", b"BW64")
#: A form's name, size and kind; a chunk's name and size.
_FORM_HEADER, _HEADER = 12, 8
_SIZE_64 = slice(8, 16)
#: What is written for a size that is not known yet, and stays where the output was a pipe: 0, and from here on.
#: ffmpeg leaves 0xFFFFFFFF, SoX 0x7FFFF000 and a little more, others 0x80000000.
_PLACEHOLDERS = 0x7FFF0000
_PRINTABLE = range(0x20, 0x7F)


def forms(at: int) -> Walk:
    """Walk through a form, and through others behind it: a large AVI file has several."""
    while True:
        header = yield from take(at, _FORM_HEADER)
        if header[:4] not in FORMS:
            # Behind the end of the form there may be anything.
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
    # A few writers count their own header in the size. All their chunks are there, and no other one has room.
    if end is not None and total < end and (broken or total < stopped or end - total > _HEADER):
        cut_off(f"only {total} of {end} bytes came")
    return ""


def _end(at: int, header: bytes) -> Step[int | None]:
    """Give the offset of the form's end, None where its size is not known."""
    size = int.from_bytes(header[4:8], "big" if header.startswith(b"FORM") else "little")
    if header.startswith((b"RF64", b"BW64")):
        chunk = yield from take(at + _FORM_HEADER, 16)
        size = int.from_bytes(chunk[_SIZE_64], "little") if chunk.startswith(b"ds64") else 0
        return at + _HEADER + size if size else None
    return at + _HEADER + size if 0 < size < _PLACEHOLDERS else None


def _chunks(at: int, end: int | None, order: Literal["big", "little"]) -> Step[tuple[int, str]]:
    """Give the offset at which the chunks end, or cannot be followed, and the name of one that is not complete."""
    while end is None or at < end:
        header = yield from take(at, _HEADER)
        size = int.from_bytes(header[4:], order)
        if len(header) < _HEADER:
            return at, "that begins last" if header else ""
        if not all(sign in _PRINTABLE for sign in header[:4]):
            return at, "" if end is None else "that is none"
        if size >= _PLACEHOLDERS or (not size and header[:4] in {b"data", b"SSND"}):
            return at, "" if end is None else "without a size"
        if size and not (yield from reaches(at + _HEADER + size)):
            return at, header[:4].decode()
        at += _HEADER + size + size % 2
    return at, ""
