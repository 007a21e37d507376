"""Every documented payload, and what it says; and that every URL in a callback becomes exactly one file."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.layout import KeyLayout, is_safe_name
from tests.conftest import PAYLOADS, Payload
from workers.callbacks import MAX_ASSETS, Callback, parse_body, parse_callback
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

SPLIT_K, SEPARATION_K = "59e8f66548152f90167b84ad269af157", "a055588b8cca1fa19cc4faeee18ea74e"
ADVANCED, RECOVERY = "4acedbc1e89475eeeabf43c3088ed4a0", "0b2c082c00e002a2f571cbe340644239"
ALEPH, RUNWAY = "97282b278e5d51866f8e57204e4820e5", "038c0dc8a958ffea17af047244fb6960"
FLUX, GPT4O, VEO = (
    "ef1cb6e72d149b184cc241037203f60b", "725451823b33172bfa0450fc271043fb", "77c3ccd511c4e8b1ac2919e3f2ee2bf1",
)  # fmt: skip
JOB, JOB_MUSIC = "4815bc701a3e39e809b29c6f6d4f5db2", "6bb931f255c72fd9ff07e2a1b596f81a"
JOB_STEMS, JOB_WAV = "0c4d13a44880294325494d1e80676837", "821403599d21bc3461609a1ac3192737"
JOB_TRACKS = ("640d87e7-41e6-4a4c-869a-82a4cd304787", "4205714c-dfe1-4ed9-83d0-30ddf7887781")
RECOVERED = ("3ff45714-ea4c-4069-886d-de97f40b9527", "c344666c-8e0b-45de-8add-65cccda1a540")

#: payload → (family, stage, code), and its keys, written out from the table of names in the bucket
SUCCESSES: dict[str, tuple[str, str, int, list[str]]] = {
    "aleph": ("aleph", "complete", 200, [f"{ALEPH}/{ALEPH}_video.mp4", f"{ALEPH}/{ALEPH}_image.png"]),
    "cover_images": (
        "cover_images", "complete", 200, [f"{IMAGES}/{IMAGES}_image_1.png", f"{IMAGES}/{IMAGES}_image_2.png"],
    ),
    "flux_kontext": (
        "other", "complete", 200, [f"{FLUX}/{FLUX}_origin_image.jpg", f"{FLUX}/{FLUX}_result_image.jpg"],
    ),
    "gpt4o_image": ("other", "complete", 200, [f"{GPT4O}/{GPT4O}_result_1.png", f"{GPT4O}/{GPT4O}_result_2.png"]),
    "inferred_jobs_suno_generate": (
        "jobs", "complete", 200,
        [
            f"{JOB_MUSIC}/{track}/{JOB_MUSIC}_{name}"
            for track in JOB_TRACKS for name in ("cover.mp3", "stream.mp3", "image.jpeg")
        ],
    ),
    "inferred_jobs_suno_lyrics": ("jobs", "complete", 200, []),
    "inferred_jobs_suno_separation": (
        "jobs", "complete", 200, [f"{JOB_STEMS}/{JOB_STEMS}_vocal.mp3", f"{JOB_STEMS}/{JOB_STEMS}_instrumental.mp3"],
    ),
    "inferred_jobs_suno_wav": ("jobs", "complete", 200, [f"{JOB_WAV}/{JOB_WAV}_result_1.wav"]),
    "jobs_result_object": ("jobs", "complete", 200, []),
    "jobs_success": ("jobs", "complete", 200, [f"{JOB}/{JOB}_result_1.png", f"{JOB}/{JOB}_result_2.png"]),
    "lyrics": ("lyrics", "complete", 200, []),
    "masked_ids": ("music", "complete", 200, [f"{MASKED}/{MASKED_TRACK}/{MASKED}_{name}" for name in TRACK_FILES]),
    "midi_task_id_in_data": ("midi", "complete", 200, []),
    "midi_task_id_on_top": ("midi", "complete", 200, []),
    "music_complete": (
        "music", "complete", 200,
        [f"{MUSIC}/{track}/{MUSIC}_{name}" for track in (ONE, TWO) for name in TRACK_FILES],
    ),
    "music_complete_sparse": (
        "music", "complete", 200,
        [
            *(
                f"{SPARSE}/{ONE}/{SPARSE}_{name}"
                for name in ("cover.mp3", "stream.mp3", "image.jpeg", "original_image.jpeg")
            ),
            *(f"{SPARSE}/{TWO}/{SPARSE}_{name}" for name in ("cover.mp3", "stream.mp3", "image.jpeg")),
        ],
    ),
    "music_first": ("music", "first", 200, [f"{MUSIC}/{ONE}/{MUSIC}_{name}" for name in TRACK_FILES]),
    "music_text": ("music", "text", 200, []),
    "recovery": ("recovery", "complete", 200, [f"{RECOVERY}/{track}/{RECOVERY}_cover.m4a" for track in RECOVERED]),
    "runway": ("runway", "complete", 200, [f"{RUNWAY}/{RUNWAY}_video.mp4", f"{RUNWAY}/{RUNWAY}_image.png"]),
    "separation_advanced_origin_data": (
        "separation", "complete", 200,
        [f"{ADVANCED}/{ADVANCED}_lead_vocal.mp3", f"{ADVANCED}/{ADVANCED}_without_lead_vocal.mp3"],
    ),
    "separation_info_separate_vocal": (
        "separation", "complete", 200,
        [f"{SEPARATION_K}/{SEPARATION_K}_{stem}.mp3" for stem in ("instrumental", "vocal")],
    ),
    "separation_info_split_stem": (
        "separation", "complete", 200, [f"{SPLIT_K}/{SPLIT_K}_{stem}.mp3" for stem in STEMS],
    ),
    "separation_separate_vocal": (
        "separation", "complete", 200,
        [f"{SEPARATION}/{SEPARATION}_{stem}.mp3" for stem in ("origin", "instrumental", "vocal")],
    ),
    "separation_split_stem": ("separation", "complete", 200, [f"{SPLIT}/{SPLIT}_{stem}.mp3" for stem in STEMS]),
    "veo": ("other", "complete", 200, [f"{VEO}/{VEO}_result_1.mp4", f"{VEO}/{VEO}_origin_1.mp4"]),
    "video": ("video", "complete", 200, [f"{VIDEO}/{VIDEO}_video.mp4"]),
    "voice_generate": ("voice", "complete", 200, []),
    "wav": ("wav", "complete", 200, [f"{WAV}/{WAV}_audio.wav"]),
}  # fmt: skip

#: payload → (family, code, the provider's words, its own code for the failure); no file is named
FAILURES = {
    "cover_images_failed": ("cover_images", 501, "Cover failed", ""),
    "gpt4o_image_failed": ("unknown", 400, "Content policy", ""),
    "jobs_failed": ("jobs", 501, "Internal server error", "500"),
    "lyrics_error_400": ("music", 400, "Description was flagged", ""),
    "midi_failed_task_id_in_data": ("unknown", 500, "MIDI could not be made.", ""),
    "music_error_400": ("music", 400, "Lyrics contain copyrighted material.", ""),
    "music_error_531": ("music", 531, "Generation failed; credits refunded.", ""),
    "recovery_all_failed": ("recovery", 500, "failed", ""),
    "replace_section_error_string": ("music", 501, "technical trouble", ""),
    "separation_error_451": ("separation", 451, "Source audio could not be downloaded.", ""),
    "separation_info_failed": ("separation", 500, "Separation failed.", ""),
    "veo_failed": ("unknown", 501, "Generation failed", ""),
    "video_error_429": ("video", 429, "Insufficient credits.", ""),
    "voice_generate_failed": ("voice", 500, "the reading did not match", "500"),
    "wav_failed": ("wav", 500, "Internal error", ""),
}


def keys(callback: Callback) -> list[str]:
    return sorted(asset.key(KeyLayout()) for asset in callback.assets)


def test_every_payload_is_expected_here() -> None:
    assert {*SUCCESSES, *FAILURES} == {path.stem for path in PAYLOADS.glob("*.json")}


@pytest.mark.parametrize("name", SUCCESSES)
def test_each_success_has_its_family_stage_and_exactly_its_keys(payload: Payload, name: str) -> None:
    callback = parse_callback(payload(name))
    family, stage, code, expected = SUCCESSES[name]
    assert (callback.family, callback.stage, callback.code) == (family, stage, code)
    assert keys(callback) == sorted(expected)
    assert (callback.meaning, callback.message, callback.fail_code, callback.notes) == ("success", "", "", ())


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_says_what_failed_and_names_no_file(payload: Payload, name: str) -> None:
    callback = parse_callback(payload(name))
    family, code, message, fail_code = FAILURES[name]
    assert (callback.family, callback.stage, callback.code) == (family, "error", code)
    assert (callback.message, callback.fail_code, callback.assets) == (message, fail_code, ())


def test_a_refunded_failure_says_so(payload: Payload) -> None:
    assert "credits refunded" in parse_callback(payload("music_error_531")).meaning


def test_a_stem_that_nobody_has_heard_of_is_archived_under_its_name(payload: Payload) -> None:
    body = payload("separation_split_stem")
    body["data"]["vocal_removal_info"]["theremin_url"] = "http://origin.test/s/theremin.mp3"
    assert f"{SPLIT}/{SPLIT}_theremin.mp3" in {asset.key(KeyLayout()) for asset in parse_callback(body).assets}


def test_a_failure_that_names_files_names_them_all_the_same(payload: Payload) -> None:
    callback = parse_callback(payload("music_complete") | {"code": 500})
    assert callback.stage == "error"
    assert keys(callback) == sorted(SUCCESSES["music_complete"][3])


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


@pytest.mark.parametrize("code", [400, 401, 402, 408, 413, 422, 429, 433, 451, 455, 500, 501, 505, 531])
def test_each_code_of_both_hosts_has_a_meaning(code: int) -> None:
    assert "not document" not in parse_callback({"code": code, "task_id": "t"}).meaning


def test_a_code_on_which_the_hosts_differ_says_both() -> None:
    meaning = parse_callback({"code": 429, "task_id": "t"}).meaning
    assert "credits" in meaning
    assert "too often" in meaning


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
