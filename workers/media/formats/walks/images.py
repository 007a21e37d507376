"""PNG (W3C, section 5), JPEG (ITU-T T.81, annex B) and GIF (CompuServe, "GIF89a"): each marks its end."""

from workers.media.formats.walking import Step, Walk, cut_off, next_ff, reaches, take

_PNG_SIGNATURE, _PNG_HEADER, _PNG_CHECKSUM = 8, 8, 4
_STUFFED, _TEM, _RESTARTS, _END, _SCAN, _FILL = 0x00, 0x01, range(0xD0, 0xD8), 0xD9, 0xDA, 0xFF
_GIF_SCREEN, _GIF_IMAGE = 13, 10
_EXTENSION, _IMAGE, _TRAILER = b"\x21", b"\x2c", b"\x3b"


def png(at: int) -> Walk:
    """Walk through the chunks to ``IEND``."""
    at += _PNG_SIGNATURE
    while True:
        header = yield from take(at, _PNG_HEADER)
        if len(header) < _PNG_HEADER:
            cut_off("there is no chunk IEND")
        if not header[4:].isalpha():
            return "a chunk has no name"
        at += _PNG_HEADER + int.from_bytes(header[:4]) + _PNG_CHECKSUM
        if header[4:] == b"IEND":
            if not (yield from reaches(at)):
                cut_off("the chunk IEND is not complete")
            return ""


def jpeg(at: int) -> Walk:
    """Walk through the segments to the marker EOI."""
    at += 2
    while True:
        marker = yield from take(at, 2)
        if len(marker) < len(b"\xff\xd9"):
            cut_off("there is no marker EOI")
        if marker[0] != _FILL:
            return "a segment has no marker"
        kind = marker[1]
        if kind == _END:
            return ""
        if kind == _FILL:
            at += 1
        elif kind == _TEM or kind in _RESTARTS:
            at += 2
        else:
            size = yield from take(at + 2, 2)
            at += 2 + int.from_bytes(size)
            if kind == _SCAN:
                at = yield from _behind_scan(at)


def _behind_scan(at: int) -> Step[int]:
    """Return the offset of the marker behind entropy-coded data, in which 0 or a restart marker follows each 0xFF."""
    while True:
        found = yield from next_ff(at)
        if found is None:
            cut_off("there is no marker EOI")
        after = yield from take(found + 1, 1)
        if after and after[0] != _STUFFED and after[0] not in _RESTARTS:
            return found
        at = found + 2


def gif(at: int) -> Walk:
    """Walk through the blocks to the trailer. Some old files have none, so behind an image that is only a doubt."""
    screen = yield from take(at, _GIF_SCREEN)
    at += _GIF_SCREEN + _colors(screen[10:11])
    has_image = False
    while True:
        kind = yield from take(at, 1)
        if not kind and has_image:
            return "there is no trailer"
        if not kind:
            cut_off("there is no image")
        if kind == _TRAILER:
            return ""
        if kind == _EXTENSION:
            at = yield from _behind_sub_blocks(at + 2)
        elif kind == _IMAGE:
            flags = yield from take(at + _GIF_IMAGE - 1, 1)
            at = yield from _behind_sub_blocks(at + _GIF_IMAGE + _colors(flags) + 1)
            has_image = True
        else:
            return "a block has no name"


def _colors(flags: bytes) -> int:
    """Return the bytes of a color table."""
    return 3 * 2 ** (flags[0] % 8 + 1) if flags and flags[0] & 0x80 else 0


def _behind_sub_blocks(at: int) -> Step[int]:
    while True:
        size = yield from take(at, 1)
        if not size:
            cut_off("the last block is not complete")
        at += 1 + size[0]
        if size == b"\0":
            return at
