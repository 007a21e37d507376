"""Measures the length of audio from the parts that pass on their way to the bucket.

A file is never in memory as a whole. Its head and its tail are enough for mutagen: the length is in headers at the
front, in an index at the end (MP4) or in the last page (Ogg).
"""

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

from mutagen.aiff import AIFFInfo
from mutagen.flac import FLAC
from mutagen.mp3 import BitrateMode, MPEGInfo
from mutagen.mp4 import MP4
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WaveStreamInfo

from workers.media.mpeg_frames import has_one_bitrate
from workers.transfer.parts import Part

#: Bytes of head and of tail that are kept. They limit the memory, and the time that a hostile file can cost.
SAMPLE_BYTES = 1024**2

_VARIABLE_MODES = {BitrateMode.VBR, BitrateMode.ABR}
_KILO = 1000

#: Audio counts as short if it lacks more than both of these: seconds, and a fraction of the announced time.
TOLERATED_SECONDS, TOLERATED_SHARE = 2.0, 0.02


def is_short(measured: float | None, announced: float) -> bool:
    """Tell whether audio of ``measured`` seconds is cut off, if ``announced`` seconds were announced.

    Audio that cannot be measured (None) is not short. ``workers/ledger/storage/lua/mark_short.lua`` has the same rule.
    """
    missing = 0.0 if measured is None else announced - measured
    return missing > TOLERATED_SECONDS and missing > TOLERATED_SHARE * announced


class AudioSample:
    """Keeps head and tail of a file that passes in parts (``workers.transfer.parts.read_parts``)."""

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._size = 0

    def follow(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Pass the parts on. After the last one the audio can be measured."""
        for part in parts:
            if not self._size:
                self._head = bytes(part.data[:SAMPLE_BYTES])
            # Copied, as the next part uses the same memory.
            self._tail = (self._tail + bytes(part.data[-SAMPLE_BYTES:]))[-SAMPLE_BYTES:]
            self._size += len(part.data)
            yield part

    def seconds(self, mime: str) -> float | None:
        """Return the seconds of audio of this MIME type, after its last part has passed; None if they are unknown."""
        excerpt = _Excerpt(self._head, self._tail, self._size)
        for measure in _MEASURES.get(mime, ()):
            excerpt.seek(0)
            # A damaged file may raise any error in a parser.
            with suppress(Exception):
                seconds = measure(cast("BinaryIO", excerpt))
                return round(seconds, 3) if seconds > 0 else None
        return None


# Only exact lengths are returned: a guess that is too short would make the worker fetch a whole file again and again.
# Held by test_a_file_without_an_exact_duration_has_no_duration.
# ID3 tags are skipped, as they can hold compressed data that expands to any size.


def _mp3(file: BinaryIO) -> float:
    """Measure an MP3 by the bytes that arrived.

    A cut-off MP3 still has the header of the whole file. The number of bytes tells the length where the average bitrate
    is known: from a header's byte count, or because all frames within the sample have the same one.
    """
    info = MPEGInfo(file)
    offset = int(info.frame_offset)
    if info.bitrate_mode in _VARIABLE_MODES and info.bitrate % _KILO == 0:
        # This is only the first frame's bitrate, so the length must come from the header.
        return float(info.length)
    if info.bitrate_mode is BitrateMode.UNKNOWN and not has_one_bitrate(file, offset, SAMPLE_BYTES):
        return 0.0
    return 8 * (file.seek(0, io.SEEK_END) - offset) / float(info.bitrate)


#: WAVE_FORMAT_PCM, _IEEE_FLOAT and _EXTENSIBLE: each second has the same number of bytes.
_EVEN_WAVE_FORMATS = {1, 3, 0xFFFE}


def _wav(file: BinaryIO) -> float:
    info = WaveStreamInfo(file)
    return _by_bytes(file, info) if info.audio_format in _EVEN_WAVE_FORMATS else 0.0


def _aiff(file: BinaryIO) -> float:
    return _by_bytes(file, AIFFInfo(file))


def _by_bytes(file: BinaryIO, info: Any) -> float:  # noqa: ANN401 - mutagen's classes share no type with a length
    """Return the header's length, or less if fewer bytes arrived."""
    return min(float(info.length), 8 * file.seek(0, io.SEEK_END) / float(info.bitrate))


_SMALLEST_BOX = 8


def _mp4(file: BinaryIO) -> float:
    """Measure an MP4 by its index, reduced by the fraction of the media data that is missing.

    Return 0 for a fragmented file: its index covers the first fragment only.
    """
    size, at, fraction = file.seek(0, io.SEEK_END), 0, 1.0
    while at + _SMALLEST_BOX <= size:
        file.seek(at)
        length, kind = int.from_bytes(file.read(4)), file.read(4)
        length = int.from_bytes(file.read(8)) if length == 1 else length or size - at
        if kind == b"moof" or length < _SMALLEST_BOX:
            return 0.0
        if kind == b"mdat":
            fraction = min(1.0, (size - at) / length)
        at += length
    file.seek(0)
    return _length(MP4(file)) * fraction


#: The longest Ogg page, in bytes, and the place of the stream's serial number in a page.
_MAX_PAGE, _SERIAL = 65307, slice(14, 18)


def _ogg(file: BinaryIO, kind: Callable[[BinaryIO], Any]) -> float:
    """Measure an Ogg file by its last page; 0 if it is of another stream than the first page (chained streams)."""
    first = file.read(_SERIAL.stop)
    file.seek(max(0, file.seek(0, io.SEEK_END) - _MAX_PAGE))
    tail = file.read(_MAX_PAGE)
    last = tail[tail.rfind(b"OggS") :]
    file.seek(0)
    return _length(kind(file)) if last[_SERIAL] == first[_SERIAL] else 0.0


def _length(found: Any) -> float:  # noqa: ANN401 - mutagen's classes share no type with a length
    return float(found.info.length)


_MEASURES: dict[str, tuple[Callable[[BinaryIO], float], ...]] = {
    "audio/mpeg": (_mp3,),
    "audio/mp4": (_mp4,),
    "video/mp4": (_mp4,),
    "audio/x-wav": (_wav,),
    "audio/x-flac": (lambda file: _length(FLAC(file)),),
    "audio/ogg": (lambda file: _ogg(file, OggVorbis), lambda file: _ogg(file, OggOpus)),
    "audio/x-aiff": (_aiff,),
}


class _Excerpt(io.RawIOBase):
    """A file whose head and tail can be read. mutagen treats the error for other bytes as an unreadable file."""

    def __init__(self, head: bytes, tail: bytes, size: int) -> None:
        super().__init__()
        self._head = head
        self._tail = tail
        self._size = size
        self._tail_at = size - len(tail)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if self._at < 0:
            raise OSError("before the start of the file")
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._size - self._at if size is None or size < 0 else size
        if self._at >= self._size or not wanted:
            return b""
        if self._at < len(self._head):
            piece = self._head[self._at : self._at + wanted]
        elif self._at >= self._tail_at:
            start = self._at - self._tail_at
            piece = self._tail[start : start + wanted]
        else:
            raise OSError("neither head nor tail")
        self._at += len(piece)
        if len(piece) < wanted and self._at < self._size:
            return piece + self.read(wanted - len(piece))
        return piece
