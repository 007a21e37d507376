"""WebM and Matroska: elements with their sizes, as far as the writer knew them (RFC 8794, RFC 9559)."""

from workers.media.formats.walking import Walk, cut_off, reaches, take

_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
#: Elements of the top level, or directly below a segment. Other bytes were appended behind the end of the file.
_ELEMENTS = {
    _SEGMENT,
    _CLUSTER,
    b"\x1a\x45\xdf\xa3",  # EBML
    b"\x11\x4d\x9b\x74",  # SeekHead
    b"\x15\x49\xa9\x66",  # Info
    b"\x16\x54\xae\x6b",  # Tracks
    b"\x1c\x53\xbb\x6b",  # Cues
    b"\x19\x41\xa4\x69",  # Attachments
    b"\x10\x43\xa7\x70",  # Chapters
    b"\x12\x54\xc3\x67",  # Tags
    b"\xec",  # Void
    b"\xbf",  # CRC-32
}
_MAX_HEADER = 12


def matroska(at: int) -> Walk:
    """Walk through the elements of the top level, and of a segment without a size."""
    has_media = False
    while True:
        header = yield from take(at, _MAX_HEADER)
        name = next((name for name in _ELEMENTS if header.startswith(name)), b"")
        if not name:
            if header and any(known.startswith(header) for known in _ELEMENTS):
                cut_off("the last element is not complete")
            if not header and not has_media:
                cut_off("there is no media data")
            return ""
        digits = _size_bytes(header[len(name) :])
        if len(header) < len(name) + digits:
            cut_off("the last element is not complete")
        at += len(name) + digits
        size = int.from_bytes(header[len(name) : len(name) + digits]) & _unknown(digits)
        is_known = size != _unknown(digits)
        has_media |= name == _CLUSTER or (name == _SEGMENT and is_known)
        if is_known:
            at += size
            if not (yield from reaches(at)):
                cut_off("the last element is not complete")
        elif name != _SEGMENT:
            return ""


def _size_bytes(size: bytes) -> int:
    """Return the number of bytes of a variable-size integer, by its leading zeros (RFC 8794, section 4)."""
    return 9 - size[0].bit_length() if size else 1


def _unknown(digits: int) -> int:
    """Return the value for an unknown size: all data bits set (RFC 8794, section 6.2)."""
    return (1 << 7 * digits) - 1
