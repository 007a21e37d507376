"""The jobs API: a result as JSON inside a string, of music models and of others."""

import json
from typing import Any

import pytest

from config.layout import KeyLayout
from workers.callbacks import Callback, parse_callback


def job(result: object, **fields: Any) -> Callback:
    text = result if isinstance(result, str) else json.dumps(result)
    data = {"taskId": "t", "state": "success", "model": "ai-music-api/x", "resultJson": text, **fields}
    return parse_callback({"code": 200, "data": data})


def keys(callback: Callback) -> list[str]:
    return [asset.key(KeyLayout()).removeprefix("t/") for asset in callback.assets]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://x/86f7e437-faa5_Vocals.mp3", "t_vocal.mp3"),
        ("http://x/86f7e437-faa5_Backing_Vocals.mp3", "t_backing_vocals.mp3"),
        ("http://x/86f7e437-faa5_Backing%20Vocals.mp3?sig=1", "t_backing_vocals.mp3"),
        ("http://x/86f7e437-faa5_Lead Vocal.wav", "t_lead_vocal.wav"),
        ("http://x/86f7e437-faa5_Drums.flac", "t_drums.flac"),
        ("http://x/drums.mp3", "t_result_1.mp3"),
        ("http://x/86f7e437_Theremin.mp3", "t_result_1.mp3"),
        ("http://x/cover_Bass.png", "t_result_1.png"),
        ("http://x/file", "t_result_1.bin"),
    ],
)
def test_a_bare_url_of_a_music_model_has_the_stem_that_its_file_name_ends_in(url: str, name: str) -> None:
    assert keys(job({"resultUrls": [url]})) == [name]


def test_what_has_no_stem_keeps_its_number_in_the_list() -> None:
    urls = ["http://x/a_Vocals.mp3", "http://x/b.mp3", "http://x/c_Bass.mp3"]
    assert sorted(keys(job({"resultUrls": urls}))) == ["t_bass.mp3", "t_result_2.mp3", "t_vocal.mp3"]


def test_another_model_names_its_files_by_their_fields() -> None:
    result = {
        "resultUrls": ["http://x/a_Vocals.mp3", "http://x/b.mp4"],
        "firstFrameUrl": "http://x/f.png",
        "lastFrameUrl": "http://x/l.webp",
    }
    assert keys(job(result, model="kling/v3")) == [
        "t_result_1.mp3", "t_result_2.mp4", "t_first_frame.png", "t_last_frame.webp",
    ]  # fmt: skip


def test_the_tracks_of_a_music_model_are_read_as_those_of_a_music_callback() -> None:
    track = {
        "id": "i",
        "audioUrl": "http://x/a.mp3",
        "source_audio_url": "http://x/b",
        "stream_audio_url": "http://x/s",
    }
    callback = job({"data": [{**track, "duration": 12.5}]})
    assert keys(callback) == ["i/t_cover.mp3", "i/t_original.mp3", "i/t_stream.mp3"]
    assert [(asset.seconds, asset.short_lived, asset.optional) for asset in callback.assets] == [
        (12.5, False, False), (12.5, False, True), (12.5, True, False),
    ]  # fmt: skip


def test_a_result_that_is_given_twice_is_one_file() -> None:
    result = {"resultUrls": ["http://x/a.png"]}
    assert keys(job(result, response=result, model="google/x")) == ["t_result_1.png"]


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("success", "complete"),
        ("fail", "error"),
        ("waiting", "pending"),
        ("queuing", "pending"),
        ("generating", "pending"),
    ],
)
def test_the_state_tells_the_stage(state: str, stage: str) -> None:
    assert job("", state=state).stage == stage


def test_a_failure_is_one_even_with_the_code_of_success() -> None:
    callback = job("", state="fail", failCode="422", failMsg="no credits for this model")
    assert (callback.family, callback.stage, callback.fail_code, callback.message) == (
        "jobs", "error", "422", "no credits for this model",
    )  # fmt: skip


@pytest.mark.parametrize("result", ["null", "{}", "[]", '{"resultObject": {"words": []}}'])
def test_a_result_without_files_is_a_job_all_the_same(result: str) -> None:
    assert (job(result).family, job(result).assets) == ("jobs", ())


def test_a_result_that_cannot_be_read_does_not_hide_files_elsewhere() -> None:
    callback = job('{"resultUrls": ["http://x/cut', videoUrl="http://x/v.mp4")
    assert (callback.family, keys(callback)) == ("video", ["t_video.mp4"])
