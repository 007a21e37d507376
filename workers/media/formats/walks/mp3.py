"""MP3: an ID3v2 tag with its size, and frames. A header in the first frame may have the number of frames.

id3.org, "ID3 tag version 2.4.0", section 3.1; Xing's "VBR header" (LAME and ffmpeg: ``Xing`` or ``Info``); Fraunhofer's
``VBRI``.
"""

from workers.media.formats.walking import Step, Walk, cut_off, take
from workers.media.mpeg_frames import frame

_TAG_HEADER, _FRAME_HEADER = 10, 4
_HAS_FOOTER = 0x10
#: Where Xing's header is in the first frame, by "version 1" and "stereo": behind the side information.
_XING = {(True, True): 36, (True, False): 21, (False, True): 21, (False, False): 13}
_XING_FLAGS, _XING_FRAMES, _HAS_FRAMES = slice(4, 8), slice(8, 12), 1
_VBRI, _VBRI_FRAMES = 36, slice(14, 18)
_MAX_HEADER = 60


def id3v2_bytes(head: bytes) -> int:
    """Return the size in bytes of the ID3v2 tag that begins with ``head``, 0 for none."""
    if len(head) < _TAG_HEADER or not head.startswith(b"ID3") or max(head[6:_TAG_HEADER]) & 0x80:
        return 0
    size = 0
    for seven_bits in head[6:_TAG_HEADER]:
        size = size << 7 | seven_bits
    return size + _TAG_HEADER * (2 if head[5] & _HAS_FOOTER else 1)


def mp3(at: int) -> Walk:
    """Walk through the frames of a file that begins with one.

    Without a number of frames, an incomplete last frame is only a doubt: programs that cut audio leave such frames.
    """
    header = yield from take(at, _FRAME_HEADER)
    promised = yield from _promised_frames(at, header)
    frames = 0
    while size := frame(header)[0]:
        # A frame's last byte, and the next frame's header.
        end = yield from take(at + size - 1, 1 + _FRAME_HEADER)
        if not end:
            return _verdict(frames, promised, is_complete=False)
        header, frames, at = end[1:], frames + 1, at + size
    if len(header) == _FRAME_HEADER:
        # A tag, or other bytes that are no frame: this is the end of the audio.
        return ""
    return _verdict(frames, promised, is_complete=not header.startswith(b"\xff"))


def _verdict(frames: int, promised: int, *, is_complete: bool) -> str:
    # Some writers also count the frame that has the number.
    if frames < promised or (promised and frames == promised and not is_complete):
        cut_off(f"only {frames} of {promised} frames came")
    return "" if is_complete or promised else "the last frame is not complete"


def _promised_frames(at: int, first: bytes) -> Step[int]:
    """Return the number of frames from the header in the first one, 0 for none."""
    size, _ = frame(first)
    data = first + (yield from take(at + _FRAME_HEADER, min(_MAX_HEADER, size - _FRAME_HEADER)))
    is_version_1, is_stereo = first[1] >> 3 & 3 == 3, first[3] >> 6 != 3  # noqa: PLR2004 - all bits set
    xing = data[_XING[is_version_1, is_stereo] :]
    if xing.startswith((b"Xing", b"Info")) and int.from_bytes(xing[_XING_FLAGS]) & _HAS_FRAMES:
        return int.from_bytes(xing[_XING_FRAMES])
    vbri = data[_VBRI:]
    return int.from_bytes(vbri[_VBRI_FRAMES]) if vbri.startswith(b"VBRI") else 0
