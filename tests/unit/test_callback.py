import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.layout import KeyLayout, is_safe_name
from tests.conftest import Payload
from workers.callback import MEANINGS, MOST_ASSETS, parse_body, parse_callback, task_id_of
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError

MUSIC, SPLIT = "b1946ac92492d2347c6235b4d2611184", "e4d909c290d0fb1ca068ffaddf22cbd0"
SPARSE, MASKED = "5d41402abc4b2a76b9719d911017c592", "2fac****9f72"
IMAGES, WAV = "9bf31c7ff062936a96d3c8bd1f8f2ff3", "c51ce410c124a10e0db5e4b97fc2af39"
SEPARATION, VIDEO = "45c48cce2e2d7fbdea1afc51c7c6ad26", "taskId_c20ad4d76fe9"
ONE, TWO = "7d1f3c52-0b7e-4e58-9a53-1f4a2c6d8e01", "c2a98e77-5f10-4b0d-8d3a-9be0f7715a02"
MASKED_TRACK = "e231****-****-****-****-****8cadc7dc"
TRACK_FILES = ["cover.mp3", "original.mp3", "stream.mp3", "original_stream.mp3", "image.jpeg", "original_image.jpeg"]
STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
)  # fmt: skip

#: Each payload's keys, written out from the table of names in the bucket.
KEYS = {
    "cover_images": [f"{IMAGES}/{IMAGES}_image_1.png", f"{IMAGES}/{IMAGES}_image_2.png"],
    "lyrics": [],
    "masked_ids": [f"{MASKED}/{MASKED_TRACK}/{MASKED}_{name}" for name in TRACK_FILES],
    "music_complete": [f"{MUSIC}/{track}/{MUSIC}_{name}" for track in (ONE, TWO) for name in TRACK_FILES],
    "music_complete_sparse": [
        *(
            f"{SPARSE}/{ONE}/{SPARSE}_{name}"
            for name in ("cover.mp3", "stream.mp3", "image.jpeg", "original_image.jpeg")
        ),
        *(f"{SPARSE}/{TWO}/{SPARSE}_{name}" for name in ("cover.mp3", "stream.mp3", "image.jpeg")),
    ],
    "music_error_400": [],
    "music_error_531": [],
    "music_first": [f"{MUSIC}/{ONE}/{MUSIC}_{name}" for name in TRACK_FILES],
    "music_text": [],
    "separation_error_451": [],
    "separation_separate_vocal": [
        f"{SEPARATION}/{SEPARATION}_{stem}.mp3" for stem in ("origin", "instrumental", "vocal")
    ],
    "separation_split_stem": [f"{SPLIT}/{SPLIT}_{stem}.mp3" for stem in STEMS],
    "video": [f"{VIDEO}/{VIDEO}_video.mp4"],
    "video_error_429": [],
    "wav": [f"{WAV}/{WAV}_audio.wav"],
}


@pytest.mark.parametrize("name", KEYS)
def test_each_payload_gives_exactly_its_keys(payload: Payload, name: str) -> None:
    callback = parse_callback(payload(name))
    assert sorted(asset.key(KeyLayout()) for asset in callback.assets) == sorted(KEYS[name])


@pytest.mark.parametrize(
    ("name", "family", "stage", "code"),
    [
        ("music_text", "music", "text", 200),
        ("music_first", "music", "first", 200),
        ("music_complete", "music", "complete", 200),
        ("music_error_400", "music", "error", 400),
        ("music_error_531", "music", "error", 531),
        ("separation_split_stem", "separation", "complete", 200),
        ("separation_error_451", "separation", "error", 451),
        ("video", "video", "complete", 200),
        ("video_error_429", "video", "error", 429),
        ("wav", "wav", "complete", 200),
        ("cover_images", "cover_images", "complete", 200),
        ("lyrics", "lyrics", "complete", 200),
    ],
)
def test_family_stage_and_code_are_told_from_the_shape(
    payload: Payload, name: str, family: str, stage: str, code: int
) -> None:
    callback = parse_callback(payload(name))
    assert (callback.family, callback.stage, callback.code) == (family, stage, code)
    assert callback.meaning == MEANINGS[code]


def test_a_refunded_failure_says_so(payload: Payload) -> None:
    assert "credits refunded" in parse_callback(payload("music_error_531")).meaning


def test_a_stem_that_nobody_has_heard_of_is_archived_under_its_name(payload: Payload) -> None:
    body = payload("separation_split_stem")
    body["data"]["vocal_removal_info"]["theremin_url"] = "http://origin.test/s/theremin.mp3"
    assert f"{SPLIT}/{SPLIT}_theremin.mp3" in {asset.key(KeyLayout()) for asset in parse_callback(body).assets}


def test_a_failure_downloads_nothing_even_if_it_names_files(payload: Payload) -> None:
    body = payload("music_complete") | {"code": 500}
    assert parse_callback(body).assets == ()


@pytest.mark.parametrize("data", [{}, {"vocal_removal_info": []}, {"images": None}, {"data": None}])
def test_a_failure_is_one_whatever_its_data_looks_like(data: dict[str, Any]) -> None:
    callback = parse_callback({"code": 500, "msg": "x", "data": {"task_id": "t", **data}})
    assert callback.failed
    assert callback.stage == "error"


@pytest.mark.parametrize(
    "body",
    [
        {"code": 200, "data": {"task_id": "t"}},
        {"code": 200, "data": {"task_id": "t", "vocal_removal_info": ["x"]}},
        {"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": "x"}},
        {"code": 200, "data": {"task_id": "t", "callbackType": "almost", "data": []}},
        {"code": "200", "data": {"task_id": "t", "video_url": "http://x/y"}},
        {"code": 200, "data": {"task_id": "t", "video_url": ["http://x/y"]}},
        {"data": {"task_id": "t", "video_url": "http://x/y"}},
    ],
)
def test_an_unknown_shape_is_told_apart_from_a_known_one(body: dict[str, Any]) -> None:
    with pytest.raises(UnrecognizedCallbackError):
        parse_callback(body)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 100_000, "too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"9" * 5000, "digits"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no 'data' object"),
        (b'{"data": []}', "no 'data' object"),
        (b'{"data": {}}', "no task id"),
        (b'{"data": {"task_id": 7}}', "not usable"),
        (b'{"data": {"task_id": ""}}', "not usable"),
        (b'{"data": {"task_id": "../../etc"}}', "not usable"),
        (b'{"data": {"task_id": ".."}}', "not usable"),
        (b'{"data": {"task_id": "_inbox"}}', "not usable"),
        (b'{"data": {"task_id": "a\\u0000b"}}', "not usable"),
        (b'{"data": {"task_id": "\\ud800"}}', "not usable"),
        (b'{"data": {"task_id": "' + b"x" * 129 + b'"}}', "not usable"),
    ],
)
def test_what_cannot_be_read_gets_an_error_that_says_why(body: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableCallbackError, match=complaint):
        task_id_of(parse_body(body))


# --- every URL becomes exactly one asset ---

any_text = st.text(max_size=12)
urls = st.integers(0, 10**9).map(lambda number: f"http://origin.test/{number}.mp3")
nothing = st.sampled_from(["", None])
field_names = st.one_of(
    st.sampled_from(["audio", "source_audio", "stream_audio", "image", "vocal", "drums", "cover", "stream"]), any_text
).map(lambda name: f"{name}_url")


@st.composite
def callbacks(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """Make a callback of a known family, with the URLs in it."""
    family = draw(st.sampled_from(["music", "separation", "video", "wav", "images"]))
    used = draw(st.lists(urls, min_size=1, max_size=12, unique=True))
    names = st.lists(field_names, min_size=len(used), max_size=len(used), unique=True)
    if family == "music":
        tracks: list[dict[str, Any]] = [
            {"id": track_id} for track_id in draw(st.lists(any_text, max_size=4, unique=True))
        ]
        tracks = tracks or [{}]
        for number, (name, url) in enumerate(zip(draw(names), used, strict=True)):
            tracks[number % len(tracks)][name] = url
        return {"callbackType": draw(st.sampled_from(["first", "complete"])), "data": tracks}, used
    if family == "separation":
        return {"vocal_removal_info": dict(zip(draw(names), used, strict=True)) | {"empty_url": draw(nothing)}}, used
    if family == "images":
        return {"images": [*used, draw(nothing)]}, used
    field = {"video": "video_url", "wav": "audioWavUrl"}[family]
    return {field: used[0]}, used[:1]


@given(callbacks())
def test_every_url_in_a_callback_becomes_exactly_one_asset_with_a_key_of_its_own(
    generated: tuple[dict[str, Any], list[str]],
) -> None:
    data, expected = generated
    body = json.dumps({"code": 200, "msg": "", "data": {"task_id": "task", **data}})
    assets = parse_callback(parse_body(body)).assets
    assert sorted(asset.url for asset in assets) == sorted(expected)
    assert len({asset.key(KeyLayout()) for asset in assets}) == len(expected)
    for asset in assets:
        assert is_safe_name(asset.stem)
        assert asset.track_id is None or is_safe_name(asset.track_id)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_either_a_callback_or_one_of_two_errors(value: object) -> None:
    for body in (
        value,
        {"code": 200, "data": value},
        {"code": 200, "data": {"task_id": "t", "data": value, "callbackType": "first"}},
    ):
        with suppress(UnreadableCallbackError, UnrecognizedCallbackError):
            parse_callback(parse_body(json.dumps(body)))


def test_a_callback_that_names_more_files_than_any_song_has_is_kept_for_people() -> None:
    urls = {f"s{number}_url": f"https://a.example/{number}.mp3" for number in range(MOST_ASSETS + 1)}
    payload = {"code": 200, "data": {"task_id": "t", "vocal_removal_info": urls}}
    with pytest.raises(UnrecognizedCallbackError, match="501 files"):
        parse_callback(payload)
    urls.popitem()
    assert len(parse_callback(payload).assets) == MOST_ASSETS
