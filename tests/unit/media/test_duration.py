"""The length of audio is measured by its head and its tail."""

import re
from pathlib import Path

import filetype
import pytest

from tests.origin import song
from tests.unit.reading import reader, reservation
from workers.media.duration import SAMPLE_BYTES, AudioSample, is_short
from workers.transfer.parts import Digest, read_parts

MEDIA_FILES = Path(__file__).parents[2] / "media"


def measured(content: bytes, *, part: int = 5 * 1024**2) -> float | None:
    """Measure content that passes in parts through two buffers, as an asset does."""
    sample = AudioSample()
    for _ in sample.follow(read_parts(reader(content, most=65536), reservation(part=part), Digest())):
        pass
    kind = filetype.guess(content[:8192])
    return sample.seconds(kind.mime if kind else "")


@pytest.mark.parametrize(
    "name",
    [
        "cbr.mp3",
        "vbr.mp3",
        "headerless_cbr.mp3",
        "tone.m4a",
        "front.m4a",
        "tone.wav",
        "tone.flac",
        "tone.ogg",
        "tone.opus",
        "tone.aiff",
    ],
)
def test_six_seconds_of_each_format_are_six_seconds(name: str) -> None:
    # The padding that an encoder adds counts too.
    assert measured((MEDIA_FILES / name).read_bytes()) == pytest.approx(6, abs=0.4)


@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3", "headerless_cbr.mp3", "front.m4a", "tone.wav", "tone.aiff"])
def test_a_cut_file_is_as_long_as_its_bytes_whatever_its_header_says(name: str) -> None:
    whole = (MEDIA_FILES / name).read_bytes()
    assert measured(whole[: len(whole) // 2]) == pytest.approx(3, abs=0.4)


@pytest.mark.parametrize("name", ["headerless_vbr.mp3", "fragmented.m4a", "adpcm.wav", "tone.aac"])
def test_a_file_without_an_exact_duration_has_no_duration(name: str) -> None:
    # A guess that is too short would make the worker fetch the whole file again and again.
    assert measured((MEDIA_FILES / name).read_bytes()) is None


def test_pieces_that_were_put_together_are_measured_right_or_not_at_all() -> None:
    assert measured(song("x", 3)) == pytest.approx(3 * 2.0375, abs=0.1)
    assert measured(song("x", 3) + b"TAG" + bytes(125)) == pytest.approx(3 * 2.0375, abs=0.1)
    # With a tag in between, the audio behind the tag is not counted.
    assert measured(song("x", 3) * 3) is None
    for name in ("tone.ogg", "tone.opus"):
        chain = (MEDIA_FILES / name).read_bytes()
        # Another stream has another serial number, in each of its pages.
        other = re.sub(rb"(OggS.{10}).{4}", rb"\g<1>abcd", chain, flags=re.DOTALL)
        assert measured(chain + other) is None


def test_a_file_of_many_parts_is_measured_by_its_head_and_tail_alone() -> None:
    content = song("long", 400)
    assert len(content) > 4 * SAMPLE_BYTES
    for part in (SAMPLE_BYTES, SAMPLE_BYTES + 1, len(content)):
        assert measured(content, part=part) == pytest.approx(400 * 2.0375, abs=0.1)


def test_an_index_at_the_end_of_a_large_file_is_found() -> None:
    whole = (MEDIA_FILES / "tone.m4a").read_bytes()
    index = whole.index(b"moov") - 4
    box = 3 * SAMPLE_BYTES
    padded = whole[:index] + box.to_bytes(4) + b"free" + bytes(box - 8) + whole[index:]
    assert measured(padded) == measured(whole)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no audio at all",
        bytes(range(256)) * 40,
        b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"\0\0\0\x08free" * 400_000,
        b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + b"\xff\xff\xff\xffmoov" * 200_000,
        b"ID3\x03\0\0\0\0\0\0" * 100_000,
        b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + bytes(5000),
        b"\xff\xfb\x90\0" * 300_000,
        b"OggS" + b"\xff" * 5000,
        b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 5000,
        b"fLaC" + b"\xff" * 5000,
    ],
)
def test_a_file_that_is_no_audio_or_is_hostile_has_no_length_and_does_no_harm(content: bytes) -> None:
    assert measured(content) is None


@pytest.mark.parametrize(
    ("found", "announced", "short"),
    [
        (198.0, 198.44, False),
        (194.4, 198.44, True),
        (194.5, 198.44, False),
        (590.0, 600.0, False),
        (587.9, 600.0, True),
        (1.0, 3.0, False),
        (0.9, 3.0, True),
        (300.0, 198.44, False),
        (None, 198.44, False),
    ],
)
def test_audio_is_short_if_it_lacks_more_than_two_seconds_and_two_percent(
    found: float | None, announced: float, short: bool
) -> None:
    assert is_short(found, announced) is short
