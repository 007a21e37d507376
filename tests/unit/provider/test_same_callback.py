"""A polled answer becomes the same callback as the delivered body of that task."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from tests.conftest import Payload
from tests.unit.callbacks.documented import FAILURES, SUCCESSES
from workers.callbacks import parse_callback
from workers.provider.answers import read_answer
from workers.provider.families import FAMILIES, State

Json = dict[str, Any]


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def camel_fields(fields: Json | None) -> Json | None:
    """Rename fields as answers do, without the task's id. Labels of `originData` stay in snake case there, too."""
    return fields and {camel(name): value for name, value in fields.items() if camel(name) != "taskId"}


def music(data: Json) -> Json:
    status = {"text": "TEXT_SUCCESS", "first": "FIRST_SUCCESS", "complete": "SUCCESS", "error": "GENERATE_AUDIO_FAILED"}
    tracks = [camel_fields(track) for track in data.get("data") or []]
    return {"status": status[data["callbackType"]], "response": {"sunoData": tracks}, "param": '{"prompt":"a quay"}'}


def lyrics(data: Json) -> Json:
    tracks = [camel_fields(track) for track in data["data"] or []]
    return {"status": "SUCCESS", "response": {"data": tracks}}


def separation(data: Json) -> Json:
    info = data.get("vocal_removal_info") or data.get("vocal_separation_info")
    return {"successFlag": "SUCCESS", "response": camel_fields(info)}


def flat(state: object) -> Callable[[Json], Json]:
    return lambda data: {"successFlag": state, "response": camel_fields(data)}


def in_info(data: Json) -> Json:
    return {"successFlag": 1, "response": camel_fields(data.get("info")), "paramJson": data.get("promptJson")}


def midi(data: Json) -> Json:
    return {"successFlag": 1, "midiData": camel_fields(data)}


def runway(data: Json) -> Json:
    request = {"prompt": "a quay", "imageUrl": "http://origin.test/in.png"}
    return {"state": "success", "videoInfo": camel_fields(data), "generateParam": request}


def as_it_is(data: Json) -> Json:
    return dict(data)


#: callback → the family that is asked, how its answer has the data, and the state of a failure
DELIVERED: dict[str, tuple[str, Callable[[Json], Json], Json]] = {
    **{
        name: ("music", music, {})
        for name in (
            "music_text", "music_first", "music_complete", "music_complete_sparse", "masked_ids",
            "music_error_400", "music_error_531",
        )
    },
    "lyrics": ("lyrics", lyrics, {}),
    "lyrics_error_400": ("lyrics", lyrics, {"status": "GENERATE_LYRICS_FAILED"}),
    **{
        name: ("separation", separation, {"successFlag": "GENERATE_AUDIO_FAILED"})
        for name in (
            "separation_separate_vocal", "separation_split_stem", "separation_info_separate_vocal",
            "separation_info_split_stem", "separation_advanced_origin_data",
            "separation_error_451", "separation_info_failed",
        )
    },
    "video": ("video", flat("SUCCESS"), {}),
    "video_error_429": ("video", flat("SUCCESS"), {"successFlag": "GENERATE_MP4_FAILED"}),
    "wav": ("wav", flat("SUCCESS"), {}),
    "wav_failed": ("wav", flat("SUCCESS"), {"successFlag": "GENERATE_WAV_FAILED"}),
    "cover_images": ("cover_images", flat(1), {}),
    "cover_images_failed": ("cover_images", flat(1), {"successFlag": 3}),
    "midi_task_id_in_data": ("midi", midi, {}),
    "midi_task_id_on_top": ("midi", midi, {}),
    "midi_failed_task_id_in_data": ("midi", midi, {"successFlag": 3, "midiData": None}),
    "runway": ("runway", runway, {}),
    "aleph": ("aleph", flat(1), {}),
    "gpt4o_image": ("gpt4o_image", in_info, {}),
    "gpt4o_image_failed": ("gpt4o_image", in_info, {"successFlag": 2}),
    "flux_kontext": ("flux_kontext", in_info, {}),
    "veo": ("veo", in_info, {}),
    "veo_failed": ("veo", in_info, {"successFlag": 3}),
    "voice_generate": ("voice", as_it_is, {}),
    "voice_generate_failed": ("voice", as_it_is, {}),
    **{
        name: ("jobs", as_it_is, {})
        for name in (
            "jobs_success", "jobs_failed", "jobs_result_object", "inferred_jobs_suno_generate",
            "inferred_jobs_suno_lyrics", "inferred_jobs_suno_separation", "inferred_jobs_suno_wav",
        )
    },
    "recovery": ("recovery", as_it_is, {}),
    "recovery_all_failed": ("recovery", as_it_is, {}),
}  # fmt: skip
#: No answer has this field: an ``error`` of the callback is the ``errorMessage`` of the answer.
NOT_COMPARED = {"replace_section_error_string"}


def answer_of(name: str, delivered: Json, task_id: str) -> Json:
    """Write the answer that the provider gives about the task of a delivered callback."""
    family, translate, failure = DELIVERED[name]
    if family == "recovery":
        return delivered
    failed = delivered["code"] != 200
    data = {"taskId": task_id, **translate(delivered["data"]), **(failure if failed else {})}
    if failed:
        data = {"errorCode": delivered["code"], "errorMessage": delivered["msg"]} | data
    return {"code": 200, "msg": "success", "data": data}


def test_every_callback_is_compared() -> None:
    assert {*SUCCESSES, *FAILURES} - NOT_COMPARED == set(DELIVERED)


@pytest.mark.parametrize("name", DELIVERED)
def test_an_answer_becomes_the_same_callback_as_the_delivered_body(payload: Payload, name: str) -> None:
    delivered = payload(name)
    expected = parse_callback(delivered)
    family = FAMILIES[DELIVERED[name][0]]
    answer = read_answer(family, answer_of(name, delivered, expected.task_id), expected.task_id)
    assert answer.state is {"error": State.FAILED, "text": State.PARTIAL, "first": State.PARTIAL}.get(
        expected.stage, State.DONE
    )
    assert answer.body
    assert answer.body["polled"] == family.path
    # Objects of stems and notes have no order.
    assert comparable(parse_callback(answer.body)) == comparable(expected)


def comparable(callback: object) -> Json:
    fields = asdict(callback)  # type: ignore[call-overload]  # a Callback
    return {**fields, "assets": sorted(map(repr, fields["assets"]))}
