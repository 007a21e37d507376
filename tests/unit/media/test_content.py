"""A file's first bytes tell media from an error page, and whether the key's extension fits."""

from importlib.resources import files
from pathlib import Path

import pytest

from tests.origin import film, picture, song
from workers.errors import TransientError
from workers.media.content import UNKNOWN, content_type, contradiction
from workers.media.file_types import KNOWN, MEDIA

MEDIA_FILES = Path(__file__).parents[2] / "media"
PROGRAMS = [b"MZ" + bytes(100), b"\x7fELF" + bytes(100)]


def media(name: str) -> bytes:
    return (files("app.embedded") / "media" / name).read_bytes()


@pytest.mark.parametrize(
    ("head", "ext", "mime"),
    [
        (media("tone.mp3"), "mp3", "audio/mpeg"),
        (song("with a tag"), "mp3", "audio/mpeg"),
        (media("tone.wav"), "wav", "audio/x-wav"),
        (media("clip.mp4"), "mp4", "video/mp4"),
        (media("clip.mp4"), "m4a", "video/mp4"),
        (picture("x"), "jpeg", "image/jpeg"),
        (media("cover.png"), "png", "image/png"),
        *(
            ((MEDIA_FILES / name).read_bytes(), name.partition(".")[2], mime)
            for name, mime in (
                ("tone.m4a", "audio/mp4"),
                ("tone.flac", "audio/x-flac"),
                ("tone.ogg", "audio/ogg"),
                ("tone.opus", "audio/ogg"),
                ("tone.aiff", "audio/x-aiff"),
                ("tone.aac", "audio/aac"),
                ("clip.webm", "video/webm"),
                ("clip.mov", "video/quicktime"),
                ("picture.webp", "image/webp"),
            )
        ),
    ],
)
def test_real_media_is_recognised_and_fits_its_extension(head: bytes, ext: str, mime: str) -> None:
    assert content_type(head[:8192], ext) == mime
    assert contradiction(mime, ext) == ""


@pytest.mark.parametrize(
    "page",
    [
        b"<!doctype html><html><body>Sign in</body></html>",
        b"\n\n  <html lang='zh'>" + "请登录".encode(),
        "<html><p>Zugang gesperrt, bitte später</p></html>".encode("latin-1"),
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        b"\xef\xbb\xbf<Error/>",
        b'{"code": 404, "msg": "not found"}',
        b"[]",
        b"Not found",
        ("é" * 5000).encode()[:8191],
    ],
)
@pytest.mark.parametrize("ext", ["mp3", "mp4", "png", "bin", "zip"])
def test_a_page_instead_of_a_file_is_not_stored(page: bytes, ext: str) -> None:
    with pytest.raises(TransientError) as raised:
        content_type(page, ext)
    assert raised.value.reason == "not_media"


@pytest.mark.parametrize(
    ("head", "ext", "mime"),
    [
        (picture("x"), "mp3", "image/jpeg"),
        (song("x"), "png", "audio/mpeg"),
        (song("x"), "mp4", "audio/mpeg"),
        (film(0), "jpeg", "video/mp4"),
        (media("tone.wav"), "mp3", "audio/x-wav"),
        (media("cover.png"), "jpeg", "image/png"),
    ],
)
def test_media_of_another_kind_than_the_key_says_is_stored_and_told(head: bytes, ext: str, mime: str) -> None:
    assert content_type(head[:8192], ext) == mime
    assert contradiction(mime, ext) == f"the key ends in .{ext}, the content is {mime}"


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04" + bytes(100), b"%PDF-1.7\n" + bytes(100), b"\x1f\x8b\x08" + bytes(100), *PROGRAMS]
)
@pytest.mark.parametrize("ext", list(MEDIA))
def test_a_document_an_archive_or_a_program_is_no_media(head: bytes, ext: str) -> None:
    with pytest.raises(TransientError) as raised:
        content_type(head, ext)
    assert raised.value.reason == "not_media"


@pytest.mark.parametrize("head", PROGRAMS)
@pytest.mark.parametrize("ext", sorted(KNOWN | {"bin"}))
def test_a_program_is_never_stored(head: bytes, ext: str) -> None:
    with pytest.raises(TransientError):
        content_type(head, ext)


@pytest.mark.parametrize(
    ("head", "ext", "mime"),
    [
        (b"PK\x03\x04" + bytes(100), "zip", "application/zip"),
        (b"PK\x03\x04" + bytes(100), "bin", "application/zip"),
        (b"%PDF-1.7\n" + bytes(100), "pdf", "application/pdf"),
        (b"MThd" + bytes(100), "mid", "audio/midi"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhold the line\n", "vtt", "text/vtt"),
        ("1\n00:00:00,000 --> 00:00:01,000\n请\n".encode(), "srt", "application/x-subrip"),
        (b"[00:12.00]hold the line", "lrc", "text/plain"),
        (b'{"words": []}', "json", "application/json"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "svg", "image/svg+xml"),
    ],
)
def test_other_files_are_stored_under_an_extension_of_their_own(head: bytes, ext: str, mime: str) -> None:
    assert content_type(head, ext) == mime
    assert contradiction(mime, ext) == ""


@pytest.mark.parametrize(
    ("page", "ext"),
    [
        (b"<html>sign in</html>", "srt"),
        (b"\xef\xbb\xbf <Error/>", "srt"),
        (b'{"code": 404}', "srt"),
        (b"<html>sign in</html>", "json"),
        (b"<html>sign in</html>", "svg"),
        (b'{"code": 404}', "svg"),
    ],
)
def test_a_page_instead_of_a_text_is_not_stored(page: bytes, ext: str) -> None:
    with pytest.raises(TransientError):
        content_type(page, ext)


def test_no_bytes_at_all_are_not_stored() -> None:
    with pytest.raises(TransientError) as raised:
        content_type(b"", "mp3")
    assert raised.value.reason == "empty"


def test_bytes_that_are_no_text_and_fit_no_signature_are_kept_under_a_plain_label() -> None:
    assert content_type(bytes(range(256)) * 4, "mp3") == UNKNOWN
    assert contradiction(UNKNOWN, "mp3") == ""
