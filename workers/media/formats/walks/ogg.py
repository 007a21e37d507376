"""Ogg: pages with their sizes; the last page of each stream is marked (RFC 3533, section 6)."""

from workers.media.formats.walking import Walk, cut_off, reaches, take

_HEADER = 27
_FIRST, _LAST = 0x02, 0x04
_SERIAL = slice(14, 18)
#: A file has one stream, or a few that are multiplexed.
_MAX_STREAMS = 100


def ogg(at: int) -> Walk:
    """Walk through the pages. A stream without a last page is only a doubt: live recordings have none (RFC 7845)."""
    streams: set[bytes] = set()
    while True:
        header = yield from take(at, _HEADER)
        if len(header) < _HEADER:
            break
        if not header.startswith(b"OggS"):
            return ""
        sizes = yield from take(at + _HEADER, header[26])
        at += _HEADER + header[26] + sum(sizes)
        if not (yield from reaches(at)):
            cut_off("the last page is not complete")
        if header[5] & _FIRST and len(streams) < _MAX_STREAMS:
            streams.add(header[_SERIAL])
        if header[5] & _LAST:
            streams.discard(header[_SERIAL])
    if header and b"OggS".startswith(header[:4]):
        cut_off("the last page is not complete")
    return "no page is marked as the last one" if streams else ""
