"""Headers of MPEG audio frames: length and bitrate. They tell a constant bitrate from a variable one."""

from typing import BinaryIO

#: Kilobits per second of layer III, by version (1, or 2 and 2.5) and index; ISO/IEC 11172-3 and 13818-3.
_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_SAMPLE_RATES = (44100, 48000, 32000)
_SYNC, _LAYER_III = 0x7FF, 0b01
_VERSION_1, _VERSION_2_5, _NO_VERSION = 0b11, 0b00, 0b01
_HEADER_BYTES = 4
#: ID3v1 and APE tags, behind the audio.
_TAGS = (b"TAG", b"APETAGEX")


def has_one_bitrate(file: BinaryIO, offset: int, until: int) -> bool:
    """Tell whether the bytes from ``offset`` to ``until`` are frames only, all with the same bitrate.

    The file may end within a frame, or with a tag.
    """
    file.seek(offset)
    head = file.read(max(0, until - offset))
    found: set[int] = set()
    at = 0
    while at + _HEADER_BYTES <= len(head):
        length, kbits = frame(head[at : at + _HEADER_BYTES])
        if not length:
            return len(found) == 1 and head[at:].startswith(_TAGS) and len(head) < until - offset
        found.add(kbits)
        at += length
    return len(found) == 1


def frame(header: bytes) -> tuple[int, int]:
    """Return length in bytes and kilobits per second of the frame that begins with these 4 bytes, or zeros for none."""
    bits = int.from_bytes(header)
    version, layer, index = bits >> 19 & 3, bits >> 17 & 3, bits >> 12 & 15
    rate, padding = bits >> 10 & 3, bits >> 9 & 1
    if bits >> 21 != _SYNC or layer != _LAYER_III or version == _NO_VERSION:
        return 0, 0
    if not 0 < index < len(_KBITS[0]) or rate >= len(_SAMPLE_RATES):
        return 0, 0
    kbits = _KBITS[version != _VERSION_1][index]
    divisor = 1 if version == _VERSION_1 else 4 if version == _VERSION_2_5 else 2
    samples = 144 if version == _VERSION_1 else 72
    return samples * kbits * 1000 * divisor // _SAMPLE_RATES[rate] + padding, kbits
