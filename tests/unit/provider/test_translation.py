"""How an answer becomes the body of a callback: each file once, under the name that it has when it is delivered."""

from typing import Any

import pytest

from config.layout import KeyLayout
from tests.conftest import ECHOES
from tests.unit.provider.documented import record, task_of
from workers.callbacks import Callback, parse_callback
from workers.provider.answers import Answer, read_answer
from workers.provider.families import FAMILIES, State

TASK = "cc2c42d8c12a1930a963edc94e47fc77"
EXTRA = "http://origin.test/extra/file.flac"
#: An answer with results, for each family that has files.
WITH_FILES = {
    "music": "music_success", "separation": "vocal_removal_success_separate_vocal", "video": "mp4_success",
    "wav": "wav_success", "cover_images": "suno_cover_1_success", "aleph": "aleph_1_success",
    "gpt4o_image": "gpt4o_1_success", "flux_kontext": "flux_kontext_1_success", "runway": "runway_success",
    "midi": "midi_1_success", "jobs": "jobs_suno_generate_success",
}  # fmt: skip


def ask(family: str, payload: dict[str, Any]) -> Answer:
    return read_answer(FAMILIES[family], payload, task_of(payload))


def data(family: str, **fields: object) -> Answer:
    return read_answer(FAMILIES[family], {"code": 200, "msg": "success", "data": {"taskId": TASK, **fields}}, TASK)


def urls(answer: Answer) -> list[str]:
    assert answer.body
    return [asset.url for asset in parse_callback(answer.body).assets]


def keys(answer: Answer) -> list[str]:
    assert answer.body
    return [asset.key(KeyLayout()).rpartition("/")[2].partition("_")[2] for asset in parse_callback(answer.body).assets]


def entry(label: str, url: str, track_id: str) -> dict[str, object]:
    return {"duration": 9.5, "audio_url": url, "stem_type_group_name": label, "id": track_id}


def test_origin_data_adds_only_stems_whose_field_is_empty() -> None:
    listed = [
        entry("Vocals", "http://origin.test/listed/vocals.mp3", "a"),
        entry("Backing Vocals", "http://origin.test/listed/backing.mp3", "b"),
        entry("Drums", "http://origin.test/field/vocal.mp3", "c"),
        {"extract": entry("Vocals", "http://origin.test/listed/x.mp3", "d"), "remove": entry("Vocals", EXTRA, "e")},
    ]
    response = {"vocalUrl": "http://origin.test/field/vocal.mp3", "backingVocalsUrl": None, "originData": listed}
    answer = data("separation", successFlag="SUCCESS", response=response)
    assert dict(zip(keys(answer), urls(answer), strict=True)) == {
        "vocal.mp3": "http://origin.test/field/vocal.mp3",
        "backing_vocals.mp3": "http://origin.test/listed/backing.mp3",
        "without_vocal.flac": EXTRA,
    }


@pytest.mark.parametrize("family", WITH_FILES)
def test_urls_in_echoed_request_fields_are_not_files(family: str) -> None:
    payload = record(WITH_FILES[family])
    before = urls(ask(family, payload))
    for name in (*ECHOES, "generateParam"):
        payload["data"][name] = {"imageUrl": "http://customer.test/in.png"} if name != "param" else EXTRA
    assert urls(ask(family, payload)) == before


@pytest.mark.parametrize("family", WITH_FILES)
def test_an_unknown_url_among_the_results_is_archived_once(family: str) -> None:
    payload = record(WITH_FILES[family])
    before = urls(ask(family, payload))
    holder = payload["data"][{"runway": "videoInfo", "midi": "midiData"}.get(family, "response")]
    holder["lossless"] = {"masterUrl": EXTRA}
    answer = ask(family, payload)
    assert sorted(urls(answer)) == sorted([*before, EXTRA])
    assert [key for key in keys(answer) if key.endswith("lossless_master.flac")]


def test_results_that_are_no_object_are_searched_for_files_all_the_same() -> None:
    assert urls(data("music", status="SUCCESS", response=f'{{"x":"{EXTRA}"}}')) == [EXTRA]
    assert urls(data("veo", successFlag=1, response=[EXTRA])) == [EXTRA]


def test_a_job_whose_results_stand_in_response_alone_is_read_as_music() -> None:
    payload = record("jobs_suno_generate_success")
    before = keys(ask("jobs", payload))
    payload["data"]["resultJson"] = ""
    assert keys(ask("jobs", payload)) == before


def callback(answer: Answer) -> Callback:
    assert answer.body
    return parse_callback(answer.body)


def test_of_two_spellings_of_a_field_the_one_with_a_value_counts() -> None:
    track = {"id": "one", "audio_url": None, "audioUrl": EXTRA}
    assert keys(data("music", status="SUCCESS", response={"sunoData": [track]})) == ["cover.flac"]


def test_a_failed_video_is_not_taken_for_a_job() -> None:
    failed = callback(data("runway", state="fail", failCode="422", failMsg="refused"))
    assert (failed.family, failed.code, failed.message, failed.fail_code) == ("runway", 422, "refused", "")


def test_a_failed_job_has_its_own_code_where_the_delivered_one_has_it() -> None:
    failed = callback(data("jobs", state="fail", resultJson="", failCode="422", failMsg="refused"))
    assert (failed.family, failed.code, failed.message, failed.fail_code) == ("jobs", 501, "refused", "422")


@pytest.mark.parametrize("code", [None, 0, 200, "", "x", True, -5])
def test_a_failure_without_a_usable_code_or_words_is_one_all_the_same(code: object) -> None:
    answer = data("music", status="SENSITIVE_WORD_ERROR", errorCode=code, errorMessage=None)
    failed = callback(answer)
    assert answer.state is State.FAILED
    assert (failed.stage, failed.code, failed.message) == ("error", 501, "the state is SENSITIVE_WORD_ERROR")


def test_notes_that_cannot_be_read_are_still_midi() -> None:
    assert callback(data("midi", successFlag=1, midiData=None)).family == "midi"


def test_a_failure_that_names_files_has_them_archived() -> None:
    track = {"id": "one", "audioUrl": EXTRA}
    answer = data("music", status="GENERATE_AUDIO_FAILED", response={"sunoData": [track]}, errorCode=500)
    assert (callback(answer).stage, keys(answer)) == ("error", ["cover.flac"])
