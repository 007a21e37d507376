"""The parts of a key that come from fields and URLs."""

import pytest

from tests.conftest import Payload
from tests.unit.callbacks.documented import MUSIC, keys
from workers.callbacks import parse_callback


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://x/a.flac", "cover.flac"),
        ("http://x/a.M4A?e=1", "cover.m4a"),
        ("http://x/a.ogg#t", "cover.ogg"),
        ("http://x/a.exe", "cover.mp3"),
        ("http://x/a.json", "cover.json"),
        ("http://x/a", "cover.mp3"),
        ("http://[bad/a.wav", "cover.mp3"),
    ],
)
def test_an_extension_comes_from_the_url_if_it_is_one_of_files(payload: Payload, url: str, key: str) -> None:
    body = payload("music_first")
    body["data"]["data"] = [{"id": "i", "audio_url": url}]
    assert keys(parse_callback(body)) == [f"{MUSIC}/i/{MUSIC}_{key}"]
