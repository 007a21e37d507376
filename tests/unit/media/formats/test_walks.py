"""Formats show whether a file's end is missing: no whole file counts as cut off, and cuts are noticed."""

import random
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.origin import film, picture, song
from workers.errors import TransientError
from workers.media.formats import Follower, walk
from workers.media.formats.walks.mp3 import id3v2_bytes
from workers.media.mpeg_frames import frame

TESTS, SHIPPED = Path(__file__).parents[3] / "media", Path(__file__).parents[4] / "app/embedded/media"
MEDIA = {path.name: path.read_bytes() for path in [*SHIPPED.iterdir(), *TESTS.iterdir()] if path.suffix != ".py"}
CUT_OFF = "cut off"


def judged(content: bytes, part: int = 5 * 1024**2) -> str:
    """Follow content that passes in parts. Return ``CUT_OFF``, a doubt, or an empty string."""

    def parts() -> Iterator[memoryview]:
        buffer = bytearray(min(part, len(content)))
        for at in range(0, len(content), part):
            piece = content[at : at + part]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]  # used again, as in workers.transfer.parts

    follower = Follower(walk())
    try:
        for piece in parts():
            follower.see(piece)
        return follower.end()
    except TransientError as error:
        return CUT_OFF if error.reason == "incomplete" else error.reason


def wav(data: bytes, riff: int | None = None, size: int | None = None, behind: bytes = b"") -> bytes:
    """Make a WAV file; the sizes in its headers are right if none are given."""
    head = b"WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data"
    chunks = head + (len(data) if size is None else size).to_bytes(4, "little") + data + behind
    return b"RIFF" + (len(chunks) if riff is None else riff).to_bytes(4, "little") + chunks


def box(kind: bytes, content: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return b"\0\0\0\1" + kind + (len(content) + 16).to_bytes(8) + content
    return (len(content) + 8).to_bytes(4) + kind + content


def without_frames_number(flac: bytes) -> bytes:
    """Return a FLAC file as it is written to a pipe: with 0 samples."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def with_vbri(mp3: bytes, frames: int) -> bytes:
    """Return an MP3 with Fraunhofer's header, in a frame of its own."""
    size, _ = frame(mp3[:4])
    header = mp3[:4] + bytes(32) + b"VBRI" + bytes(10) + frames.to_bytes(4)
    return header + bytes(size - len(header)) + mp3


def frames_of(mp3: bytes) -> int:
    at = found = 0
    while size := frame(mp3[at : at + 4])[0]:
        at, found = at + size, found + 1
    return found


SOUND = random.Random(1).randbytes(1001)
ID3V1 = b"TAG" + b"a title".ljust(125)
ID3V2 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
FOOTED = b"ID3\4\0\x10\0\0\1\0" + bytes(128) + b"3DI\4\0\x10\0\0\1\0"
MDAT = MEDIA["front.m4a"].index(b"mdat") - 4
JPEG, EXIF = MEDIA["cover.jpeg"], b"Exif\0\0" + MEDIA["cover.jpeg"]
CBR = MEDIA["headerless_cbr.mp3"][id3v2_bytes(MEDIA["headerless_cbr.mp3"]) :]

FLAC_START, FLAC_FRAME, *_ = re.split(rb"(?=\xff\xf8[^\xff]{2}[\0\1])", MEDIA["tone.flac"])

WHOLE = {
    **MEDIA,
    "no size, as ffmpeg writes to a pipe": wav(SOUND, 0xFFFFFFFF, 0xFFFFFFFF),
    "no size, as SoX writes to a pipe": wav(SOUND, 0x7FFFF024, 0x7FFFF000),
    "no size, as never filled in": wav(SOUND, 0, 0),
    "the size of the data alone is missing": wav(SOUND, None, 0xFFFFFFFF),
    "an odd size, padded": wav(SOUND + b"\0", None, 1001),
    "an odd size without its padding": wav(SOUND, None, 1001),
    "an odd size without its padding, which is counted": wav(SOUND, 36 + 1002, 1001),
    "an odd size, not padded, and another chunk": wav(SOUND, None, 1001, b"LIST@\0\0\0" + bytes(64)),
    "a size that counts its own header": wav(SOUND + b"\0", 44 + 1002),
    "a size that leaves other bytes behind": wav(SOUND + b"\0") + ID3V1,
    "a size that is too small": wav(SOUND + b"\0", 100),
    "two forms, as in a large AVI": wav(SOUND + b"\0") + wav(SOUND + b"\0").replace(b"WAVE", b"AVIX"),
    "a box that nobody needs": MEDIA["tone.m4a"] + box(b"free", bytes(100)),
    "a box that nobody knows": MEDIA["tone.m4a"] + box(b"sefd", bytes(100)),
    "an MP4 with a tag": MEDIA["tone.m4a"] + ID3V1,
    "an MP4 with zeros": MEDIA["tone.m4a"] + bytes(100),
    "a box to the end": MEDIA["front.m4a"][:MDAT] + bytes(4) + MEDIA["front.m4a"][MDAT + 4 :],
    "a box with 64 bits": MEDIA["front.m4a"][:MDAT] + box(b"mdat", SOUND, large=True),
    "a QuickTime file without a type": MEDIA["clip.mov"][20:],
    "a fragment by itself": box(b"styp", b"msdh") + box(b"moof") + box(b"mdat", SOUND),
    "a film of several parts": film(11 * 1024**2),
    "a song": song("x", 3),
    "a song with an ID3v1 tag": song("x", 3) + ID3V1,
    "a song with an APE tag": song("x", 3) + b"APETAGEX" + bytes(24),
    "two tags": ID3V2 + FOOTED + MEDIA["cbr.mp3"] + ID3V1,
    "Fraunhofer's header": with_vbri(CBR, frames_of(CBR)),
    "Fraunhofer's header, which counts itself": with_vbri(CBR, frames_of(CBR) + 1),
    "a JPEG with a title": picture("x"),
    "a JPEG with a preview": JPEG[:2] + b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2) + EXIF + JPEG[2:],
    "a JPEG with fill bytes and restarts": JPEG[:2]
    + b"\xff\xff\xff\xfe\0\4hi"
    + JPEG[2:-2]
    + b"\xff\xd0\1\xff\0\xff\xff\xd9",
    "a PNG with more": MEDIA["cover.png"] + b"more",
    "a GIF with more": MEDIA["picture.gif"] + b"more",
    "a WebM with more": MEDIA["clip.webm"] + ID3V1,
    "an Ogg with more": MEDIA["tone.ogg"] + ID3V1,
    "two Oggs": MEDIA["tone.ogg"] + MEDIA["tone.opus"],
    "a FLAC with a tag in front": ID3V2 + MEDIA["tone.flac"],
    "a FLAC without a number of samples": without_frames_number(MEDIA["tone.flac"]),
    "nothing": b"",
    "a letter": b"R",
    "a word": b"chief",
    "text": b"hello, world\n" * 100,
    "unknown bytes": SOUND,
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_not_judged_cut_off_with_any_part_size(name: str) -> None:
    content = WHOLE[name]
    assert [judged(content, part) for part in (5 * 1024**2, 65536, 997, 64)] == [""] * 4
    if len(content) < 20000:
        assert judged(content, 1) == ""


def boundaries(name: str, *marks: bytes, before: int = 0) -> set[int]:
    """Return the offsets of these bytes, less ``before``."""
    return {found.start() - before for mark in marks for found in re.finditer(re.escape(mark), MEDIA[name])}


def the_last_of(name: str, mark: bytes) -> Collection[int]:
    return range(MEDIA[name].rindex(mark), len(MEDIA[name]))


#: Cuts that a format does not show: between two pieces that could be the last ones, or within the last frame. In an
#: MP3, cuts before the number of frames that its first frame has.
HIDDEN: dict[str, Collection[int]] = {
    "adpcm.wav": (),
    "tone.wav": (),
    "large.wav": {12},
    "tone.aiff": (),
    "clip.avi": (),
    "picture.webp": (),
    "picture.png": (),
    "cover.jpeg": (),
    "picture.gif": {1129, 1137, 1316, 1324, 1518},
    "picture.avif": range(281, 289),
    "clip.mp4": (),
    "clip.mov": (),
    "tone.m4a": (),
    "front.m4a": (),
    "fragmented.m4a": boundaries("fragmented.m4a", b"moof", b"mfra", before=4) | set(range(3609, 3617)),
    "clip.webm": (),
    "piped.webm": boundaries("piped.webm", b"\x1cS\xbbk"),
    "tone.flac": the_last_of("tone.flac", b"\xff\xf8"),
    "cbr.mp3": {*range(21, 45), len(MEDIA["cbr.mp3"]) - 144},
    "vbr.mp3": {*range(21, 45), len(MEDIA["vbr.mp3"]) - 72},
}


# Five thousand cuts of each file took half of this module's time. Their distance is odd, as most sizes are even.
@pytest.mark.parametrize("number", [1000, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", HIDDEN)
def test_a_cut_that_the_format_shows_is_noticed_wherever_it_is(name: str, number: int) -> None:
    whole = MEDIA[name]
    step = max(1, len(whole) // number) | 1
    cuts = {
        *range(5, len(whole), step),
        *range(5, min(len(whole), 500)),
        *range(max(5, len(whole) - 300), len(whole)),
    }
    unnoticed = {cut for cut in cuts if judged(whole[:cut]) != CUT_OFF}
    assert unnoticed <= set(HIDDEN[name])


@pytest.mark.parametrize("name", sorted(MEDIA))
def test_the_parts_of_a_cut_file_make_no_difference(name: str) -> None:
    whole = MEDIA[name][:20000]
    for cut in range(1, len(whole), max(1, len(whole) // 40)):
        assert len({judged(whole[:cut], part) for part in (len(whole), 509, 3)}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["headerless_cbr.mp3", "headerless_vbr.mp3"])
def test_an_mp3_that_promises_no_number_of_frames_is_doubtful_if_its_last_one_is_not_complete(name: str) -> None:
    whole = MEDIA[name]
    at = id3v2_bytes(whole)
    ends = {at}
    while size := frame(whole[at : at + 4])[0]:
        at += size
        ends.add(at)
    for cut in range(100, len(whole), 13):
        assert judged(whole[:cut]) == ("" if cut in ends else "the last frame is not complete")


@pytest.mark.parametrize(
    ("header", "side_information"),
    [("fffb9000", 32), ("fffb90c0", 17), ("fff34000", 17), ("fff340c0", 9), ("ffe34000", 17), ("ffe340c0", 9)],
    ids=["1 stereo", "1 mono", "2 stereo", "2 mono", "2.5 stereo", "2.5 mono"],
)
def test_an_mp3_of_any_version_has_as_many_frames_as_its_first_one_promises(header: str, side_information: int) -> None:
    start = bytes.fromhex(header)
    size, _ = frame(start)
    plain = start + bytes(size - 4)
    promise = start + bytes(side_information) + b"Xing\0\0\0\7" + (5).to_bytes(4)
    assert judged(promise.ljust(size, b"\0") + plain * 5) == ""
    assert judged((promise.ljust(size, b"\0") + plain * 5)[:-1]) == CUT_OFF
    assert judged(promise.ljust(size, b"\0") + plain * 3) == CUT_OFF


@pytest.mark.parametrize("name", ["tone.ogg", "tone.opus"])
def test_an_ogg_is_cut_off_within_a_page_and_doubtful_behind_one_that_is_not_the_last(name: str) -> None:
    whole = MEDIA[name]
    ends = boundaries(name, b"OggS") - {0}
    assert ends
    for cut in [*ends, *range(5, len(whole), 11)]:
        assert judged(whole[:cut]) == ("no page is marked as the last one" if cut in ends else CUT_OFF)


@pytest.mark.parametrize(
    "content",
    [
        wav(SOUND, 0xFFFFFFFF)[:-1],
        wav(SOUND + b"\0", None, None, b"LIST\4\0\0\0abcd")[:-12],
        wav(SOUND + b"\0", 36 + 1002 + 9),
        box(b"ftyp", b"isom") + box(b"free") + box(b"mdat", SOUND, large=True)[:-1],
        box(b"ftyp", b"isom") + box(b"mdat", SOUND),
        box(b"ftyp", b"isom") + box(b"moov"),
        box(b"ftyp", b"isom") + box(b"moov") + box(b"moof"),
        box(b"ftyp", b"isom") + b"\0\0\0\0mdat" + SOUND,
        box(b"ftyp", b"isom") + b"\0\0\0\1mdat\0\0\0",
        ID3V2[:-1],
        ID3V2,
        FOOTED[:-10],
        with_vbri(CBR, frames_of(CBR) + 2),
        JPEG[:2] + b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2) + EXIF,
        MEDIA["tone.flac"][:42],
        FLAC_START + FLAC_FRAME * 100,
        # The chunk's odd size is padded, so the next one begins an even number of bytes behind.
        wav(b"", 0xFFFFFFFF, 0xFFFFFFFF)[:36] + b"LIST\1\0\0\0x\0data\xe9\3\0\0" + SOUND[:-1],
    ],
)
def test_media_without_its_end_is_judged_cut_off(content: bytes) -> None:
    assert judged(content) == CUT_OFF


def test_a_gif_without_its_trailer_is_doubtful_as_some_old_ones_have_none() -> None:
    assert judged(MEDIA["picture.gif"][:-1]) == "there is no trailer"
    assert judged(MEDIA["picture.gif"][:-2]) == CUT_OFF


@pytest.mark.slow
@given(
    st.sampled_from([*(whole[:64] for whole in MEDIA.values()), b""]),
    st.lists(
        st.binary(max_size=40) | st.sampled_from([*(whole[:16] for whole in MEDIA.values()), b"\xff" * 9, bytes(9)])
    ),
    st.integers(1, 70),
)
def test_any_bytes_are_judged_without_error_and_independently_of_their_parts(
    start: bytes, pieces: list[bytes], part: int
) -> None:
    content = b"".join([start, *pieces])
    assert judged(content, part) == judged(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x08free" * 10_000,
        b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\x09",
        (b"OggS" + bytes(22) + b"\1\0") * 5_000,
        b"\xff\xd8" + b"\xff" * 50_000,
        b"GIF89a" + bytes(7) + b"\x21\1" + b"\1x" * 10_000,
        b"\x1aE\xdf\xa3\x80" + b"\xec\x80" * 10_000,
        b"fLaC" + b"\4\0\0\0" * 10_000,
        b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 10_000,
    ],
)
def test_a_file_with_more_headers_than_any_needs_is_given_up(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.media.formats.following.MAX_STEPS", 5)
    assert judged(content) == ""
