from importlib.resources import files

import pytest

from tests.origin import film, picture, song
from workers.assets import Media
from workers.errors import TransientError
from workers.media import UNKNOWN, content_type


def media(name: str) -> bytes:
    return (files("app.operate") / "media" / name).read_bytes()


@pytest.mark.parametrize(
    ("head", "kind", "mime"),
    [
        (media("tone.mp3"), Media.AUDIO, "audio/mpeg"),
        (song("with a tag"), Media.AUDIO, "audio/mpeg"),
        (media("tone.wav"), Media.AUDIO, "audio/x-wav"),
        (media("clip.mp4"), Media.VIDEO, "video/mp4"),
        (media("clip.mp4"), Media.AUDIO, "video/mp4"),
        (picture("x"), Media.IMAGE, "image/jpeg"),
        (media("cover.png"), Media.IMAGE, "image/png"),
    ],
)
def test_real_media_is_recognised(head: bytes, kind: Media, mime: str) -> None:
    assert content_type(head[:8192], kind) == mime


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
@pytest.mark.parametrize("kind", list(Media))
def test_a_page_instead_of_media_is_not_stored(page: bytes, kind: Media) -> None:
    with pytest.raises(TransientError) as raised:
        content_type(page, kind)
    assert raised.value.reason == "not_media"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (picture("x"), Media.AUDIO),
        (song("x"), Media.IMAGE),
        (song("x"), Media.VIDEO),
        (film(0), Media.IMAGE),
        (b"PK\x03\x04" + bytes(100), Media.AUDIO),
        (b"%PDF-1.7\n" + bytes(100), Media.AUDIO),
        (b"\x1f\x8b\x08" + bytes(100), Media.AUDIO),
    ],
)
def test_a_file_of_another_kind_is_not_stored(head: bytes, kind: Media) -> None:
    with pytest.raises(TransientError) as raised:
        content_type(head[:8192], kind)
    assert raised.value.reason == "not_media"


def test_no_bytes_at_all_are_not_stored() -> None:
    with pytest.raises(TransientError) as raised:
        content_type(b"", Media.AUDIO)
    assert raised.value.reason == "empty"


def test_bytes_that_are_no_text_and_fit_no_signature_are_kept_under_a_plain_label() -> None:
    assert content_type(bytes(range(256)) * 4, Media.AUDIO) == UNKNOWN
