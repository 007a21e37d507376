"""Callbacks that bend a documented shape, failures, and limits; every URL in a callback becomes exactly one file."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.layout import KeyLayout, is_safe_name
from tests.conftest import Payload
from tests.unit.callbacks.documented import RECOVERED, RECOVERY, keys
from workers.callbacks import MAX_ASSETS, parse_body, parse_callback
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError


@pytest.mark.parametrize("data", [{}, {"vocal_removal_info": []}, {"images": None}, {"data": None}])
def test_a_failure_is_one_whatever_its_data_looks_like(data: dict[str, Any]) -> None:
    callback = parse_callback({"code": 500, "msg": "x", "data": {"task_id": "t", **data}})
    assert callback.failed
    assert callback.stage == "error"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"vocal_removal_info": ["x"]},
        {"callbackType": "complete", "data": "x"},
        {"callbackType": "almost", "data": []},
        {"video_url": 7},
        {"hologram": {"title": "http://origin.test/words-for-people"}},
        {"resultJson": "not JSON"},
    ],
)
def test_a_body_of_unknown_shape_that_names_no_file_is_told_apart(data: dict[str, Any]) -> None:
    with pytest.raises(UnrecognizedCallbackError):
        parse_callback({"code": 200, "data": {"task_id": "t", **data}})


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"code": "200", "data": {"task_id": "t", "video_url": "http://x/y"}}, "t/t_video.mp4"),
        ({"data": {"task_id": "t", "video_url": "http://x/y"}}, "t/t_video.mp4"),
        ({"code": 200, "data": {"task_id": "t", "video_url": ["http://x/y"]}}, "t/t_video_1.mp4"),
        ({"code": 200, "data": {"task_id": "t", "vocal_removal_info": ["http://x/y.mp3"]}},
         "t/t_vocal_removal_info_1.mp3"),
        ({"code": 200, "data": {"task_id": "t", "callbackType": "almost", "data": [{"id": "i", "audio_url": "http://x/y"}]}},
         "t/i/t_cover.mp3"),
        ({"code": 200, "task_id": "t", "data": ["http://x/y.png"]}, "t/t_result_1.png"),
        ({"code": 200, "taskId": "t", "videoUrl": "http://x/y"}, "t/t_video.mp4"),
        ({"code": 200, "taskId": "t", "data": {"vocal_removal_info": None, "vocal_separation_info": {"a_url": "http://x/y"}}},
         "t/t_a.mp3"),
        ({"code": 200, "taskId": "t", "data": {"vocalSeparationInfo": {"vocalUrl": "http://x/y"}}}, "t/t_vocal.mp3"),
    ],
)  # fmt: skip
def test_a_body_that_bends_a_documented_shape_is_archived_all_the_same(body: dict[str, Any], key: str) -> None:
    assert keys(parse_callback(body)) == [key]


def test_a_track_that_failed_is_told_with_its_error_and_does_not_fail_the_others(payload: Payload) -> None:
    body = payload("recovery")
    body["data"][1] |= {"audio_url": "", "status": "failed", "error": "feed_failed"}
    callback = parse_callback(body)
    assert callback.failed_tracks == {RECOVERED[1]: "feed_failed"}
    assert (callback.stage, keys(callback)) == ("complete", [f"{RECOVERY}/{RECOVERED[0]}/{RECOVERY}_cover.m4a"])


def test_a_task_of_which_all_tracks_failed_has_failed_whatever_its_code(payload: Payload) -> None:
    assert parse_callback(payload("recovery_all_failed") | {"code": 200}).stage == "error"


def test_a_status_of_failure_is_one_whatever_the_code(payload: Payload) -> None:
    assert parse_callback(payload("voice_generate_failed") | {"code": 200}).stage == "error"


def test_a_null_among_tracks_does_not_change_what_the_others_are_called(payload: Payload) -> None:
    body = payload("music_complete")
    whole = keys(parse_callback(body))
    body["data"]["data"].append(None)
    assert (parse_callback(body).family, keys(parse_callback(body))) == ("music", whole)


def test_words_that_look_like_json_stay_words() -> None:
    said = '{"error": "Sensitive words"}'
    callback = parse_callback({"code": 200, "taskId": "t", "data": {"state": "fail", "failMsg": said}})
    assert callback.message == said
    tracks = [{"id": "i", "audio_url": "", "status": "failed", "error": '{"code": 5}'}]
    assert parse_callback({"code": 200, "task_id": "t", "data": tracks}).failed_tracks == {"i": '{"code": 5}'}


def test_a_failure_in_odd_letters_is_told_in_letters_that_every_store_takes() -> None:
    said = parse_callback(
        parse_body('{"code": 501, "taskId": "t", "msg": "caf\\ud83d", "data": {"failCode": "\\ud83d"}}')
    )
    assert (said.message, said.fail_code) == ("caf?", "?")


def test_the_deprecated_source_audio_is_the_only_optional_file(payload: Payload) -> None:
    assert {asset.stem for asset in parse_callback(payload("music_complete")).assets if asset.optional} == {"original"}


def test_all_audio_of_a_track_carries_the_announced_seconds_and_images_do_not(payload: Payload) -> None:
    announced = {asset.stem: asset.seconds for asset in parse_callback(payload("music_first")).assets}
    assert {stem for stem, seconds in announced.items() if seconds == 198.44} == {
        "cover", "original", "stream", "original_stream",
    }  # fmt: skip
    assert {announced["image"], announced["original_image"]} == {None}


@pytest.mark.parametrize("duration", [0, -1, "198", True, None, 1e300])
def test_an_implausible_duration_is_none(payload: Payload, duration: object) -> None:
    body = payload("music_first")
    body["data"]["data"][0]["duration"] = duration
    # All audio of a track is measured, as a later callback may announce how long it is.
    assert {asset.seconds for asset in parse_callback(body).assets} == {0.0, None}


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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_of_more_files_than_any_song_has_the_first_are_archived_and_the_rest_is_told() -> None:
    urls = {f"s{number}_url": f"https://a.example/{number}.mp3" for number in range(MAX_ASSETS + 1)}
    payload = {"code": 200, "data": {"task_id": "t", "vocal_removal_info": urls}}
    callback = parse_callback(payload)
    assert [asset.stem for asset in callback.assets] == [f"s{number}" for number in range(MAX_ASSETS)]
    assert callback.notes == (f"more than {MAX_ASSETS} files are named; only the first {MAX_ASSETS} are stored",)
    urls.popitem()
    assert parse_callback(payload).notes == ()


def test_two_urls_under_one_name_are_both_stored_whatever_their_order() -> None:
    tracks = [{"id": "same", "audio_url": f"http://x/{number}.mp3?key={number}"} for number in range(2)]
    both = [
        keys(parse_callback({"code": 200, "data": {"task_id": "t", "callbackType": "complete", "data": order}}))
        for order in (tracks, tracks[::-1])
    ]
    assert both[0] == both[1]
    assert len(set(both[0])) == 2
