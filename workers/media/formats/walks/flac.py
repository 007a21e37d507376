"""FLAC: metadata blocks that name their sizes, and numbered frames up to the number of samples (RFC 9639)."""

from dataclasses import dataclass

from workers.media.formats.walking import Step, Walk, cut_off, next_ff, take

_MARKER, _HEADER = 4, 4
_STREAMINFO_BYTES = 34
_IS_LAST = 0x80
#: A frame header: sync code and blocking strategy, up to 7 bytes of a number, up to 4 of sizes, a CRC-8 (section 9.1).
_MAX_FRAME_HEADER, _SHORTEST_FRAME_HEADER = 16, 6
_SYNC_BYTES = (b"\xff\xf8", b"\xff\xf9")
_POLYNOMIAL = 0x07
_BLOCK_SIZES = {1: 192, 6: 0, 7: 0, **{code: 144 << code for code in range(2, 6)}} | {
    code: 1 << code for code in range(8, 16)
}


@dataclass(frozen=True, slots=True)
class _FrameHeader:
    number: int
    """The frame's number where all blocks have one size, else the number of its first sample."""
    samples: int


def flac(at: int) -> Walk:
    """Walk through metadata and frame headers. Samples are 0 in a file whose encoder did not know their number."""
    at += _MARKER
    block, samples, block_size = b"\0", 0, 0
    while not block[0] & _IS_LAST:
        block = yield from take(at, _HEADER)
        info = yield from take(at + _HEADER, _STREAMINFO_BYTES)
        if len(block) < _HEADER:
            cut_off("the metadata is not complete")
        if block[0] & ~_IS_LAST == 0:
            block_size, samples = int.from_bytes(info[:2]), int.from_bytes(info[13:18]) & 0xFFFFFFFFF
        at += _HEADER + int.from_bytes(block[1:])
    first = yield from take(at, _MAX_FRAME_HEADER)
    if not first:
        cut_off("nothing follows the metadata")
    header = _frame_header(first, block_size)
    if len(first) == _MAX_FRAME_HEADER and (header is None or header.number):
        return "the first frame has another number"
    done = yield from _samples(at, samples, block_size)
    if done < samples:
        cut_off(f"only {done} of {samples} samples came")
    return ""


def _samples(at: int, wanted: int, block_size: int) -> Step[int]:
    """Return the number of samples in the frames that begin in the file. Frames are found by their numbers."""
    done = 0
    while done < wanted:
        found = yield from next_ff(at)
        if found is None:
            break
        header = _frame_header((yield from take(found, _MAX_FRAME_HEADER)), block_size)
        at = found + 1
        if header and header.number == done:
            done += header.samples
            at += _SHORTEST_FRAME_HEADER
    return done


def _frame_header(data: bytes, block_size: int) -> _FrameHeader | None:
    """Read a frame header: its first sample and its number of samples; None for other bytes."""
    if not data.startswith(_SYNC_BYTES) or len(data) < _SHORTEST_FRAME_HEADER:
        return None
    size_code, rate_code = data[2] >> 4, data[2] & 15
    number_bytes = max(1, 8 - (data[4] ^ 0xFF).bit_length())
    size_bytes = {6: 1, 7: 2}.get(size_code, 0)
    at = 4 + number_bytes
    end = at + size_bytes + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if size_code not in _BLOCK_SIZES or end >= len(data) or _crc8(data[:end]) != data[end]:
        return None
    number = data[4] & (0x7F >> (number_bytes if number_bytes > 1 else 0))
    for byte in data[5:at]:
        number = number << 6 | byte & 0x3F
    samples = int.from_bytes(data[at : at + size_bytes]) + 1 if size_bytes else _BLOCK_SIZES[size_code]
    return _FrameHeader(number if data[1] & 1 else number * block_size, samples)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 & 0xFF ^ (_POLYNOMIAL if crc & 0x80 else 0)
    return crc
