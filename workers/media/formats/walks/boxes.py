"""MP4, M4A, MOV, 3GP, HEIC and AVIF: boxes that name their sizes.

ISO/IEC 14496-12, section 4.2; Apple, "QuickTime File Format".
"""

from workers.media.formats.walking import Walk, cut_off, reaches, take

#: Boxes with which a file may begin: QuickTime files before 2001 have no ``ftyp``.
FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
#: Boxes of the top level. Other bytes were appended behind the end of the file.
_BOXES = FIRST_BOXES | {
    b"moof", b"meta", b"uuid", b"udta", b"sidx", b"ssix", b"mfra", b"emsg", b"prft", b"pdin", b"PICT", b"junk", b"imda",
}  # fmt: skip
_MEDIA_DATA = frozenset({b"mdat", b"imda"})
_HEADER, _LARGE_HEADER = 8, 16


def boxes(at: int) -> Walk:
    """Walk through the boxes of the top level."""
    seen: list[bytes] = []
    while True:
        header = yield from take(at, _LARGE_HEADER)
        size, kind = int.from_bytes(header[:4]), header[4:_HEADER]
        if len(header) < _HEADER:
            break
        if size == 1:
            size = int.from_bytes(header[_HEADER:])
            if len(header) < _LARGE_HEADER and kind in _BOXES:
                cut_off("the last box has no size")
        if kind not in _BOXES or 0 < size < _HEADER:
            # Not a box. Any bytes may follow a complete file.
            return "" if _is_playable(seen) else "no index was found"
        _remember(seen, kind)
        if not size:
            # Size 0: the box goes to the end of the file.
            header = b""
            break
        if not (yield from reaches(at + size)):
            cut_off(f"the box {kind.decode()} goes beyond the end")
        at += size
    return _verdict(seen, header)


def _remember(seen: list[bytes], kind: bytes) -> None:
    """Keep each kind once, in the order of its last box: a file may have any number of boxes."""
    if kind in seen:
        seen.remove(kind)
    seen.append(kind)


def _is_playable(seen: list[bytes]) -> bool:
    return b"meta" in seen or (b"moov" in seen and not _MEDIA_DATA.isdisjoint(seen))


def _verdict(seen: list[bytes], rest: bytes) -> str:
    if seen[-1] == b"moof":
        cut_off("the last fragment has no media data")
    is_fragmented = not {b"moof", b"styp"}.isdisjoint(seen)
    if not is_fragmented and b"meta" not in seen and b"moov" not in seen:
        cut_off("there is no index (the box moov)")
    if b"moov" in seen and _MEDIA_DATA.isdisjoint(seen):
        cut_off("there is no media data (the box mdat)")
    if rest and is_fragmented:
        cut_off("the last box has no header")
    return "the last box has no header" if rest else ""
