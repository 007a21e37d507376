"""Answers to polling: one function for each family, with the shapes of the provider's public reference."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.embedded.provider.shapes.catalogue import CALLBACK_EXCEPTION
from app.embedded.provider.shapes.media_records import MEDIA
from app.embedded.provider.shapes.result import (
    INSTRUMENTS,
    LYRICS,
    STEMS,
    Result,
    iso_time,
    job_music,
    job_result,
    job_times,
    milliseconds,
    model_of,
    recovered,
    text_time,
    track,
)

Record = dict[str, Any]


def record(result: Result) -> Record:
    """Answer a poll: the envelope with the task in the state it has."""
    if result.family.name == "recovery":
        code = int(result.state)
        data = None if code == result.family.stages[0] else recovered(result)
        word = {200: "success", 201: "running"}.get(code, "failed")
        return {"task_id": result.task_id, "code": code, "msg": word, "data": data}
    return {"code": 200, "msg": "success", "data": {"taskId": result.task_id, **_DATA[result.family.name](result)}}


def _music(result: Result) -> Record:
    stages = {"FIRST_SUCCESS": 1, "SUCCESS": 2, CALLBACK_EXCEPTION: 2}
    finished = stages.get(str(result.state), 0)
    tracks = [_camel(result, each, ready=number < finished) for number, each in enumerate(result.tracks)]
    response = {"taskId": result.task_id, "sunoData": tracks if finished else []}
    return {
        "parentMusicId": "",
        "param": result.request,
        "response": None if result.state == "PENDING" else response,
        "status": result.state,
        "type": "GENERATE",
        "operationType": "generate",
        **result.errors,
    }


def _camel(result: Result, track_id: str, *, ready: bool) -> Record:
    """Describe a track in camel case; the audio of one that is not ready streams, but is no file yet."""
    fields = track(result, track_id, created=text_time(result.created))
    told = {_camel_case(name): value for name, value in fields.items()}
    return told if ready else {**told, "audioUrl": "", "duration": None}


def _lyrics(result: Result) -> Record:
    text = {"text": LYRICS, "title": "Line", "status": "complete", "errorMessage": ""}
    return {
        "param": result.request,
        "response": {"taskId": result.task_id, "data": [text]} if result.is_done else None,
        "status": result.state,
        **result.errors,
    }


def _conversion(make: Callable[[Result], Record]) -> Callable[[Result], Record]:
    """Describe a task that works on one track; ``make`` gives ``response``."""

    def data(result: Result) -> Record:
        return {
            "musicId": str(result.body.get("audioId") or result.id_of("music")),
            "callbackUrl": result.callback_url,
            "musicIndex": 0,
            "completeTime": text_time(result.finished) if result.is_done else None,
            "response": make(result) if result.is_done else None,
            "successFlag": result.state,
            "createTime": text_time(result.created),
            **result.errors,
        }

    return data


def _separation(result: Result) -> Record:
    kind = result.body.get("type", "separate_vocal")
    urls = {"separate_vocal": ("instrumental", "vocal"), "split_stem": STEMS}.get(kind, ())
    listed = {
        "separate_vocal": ("Vocals", "Instrumental"),
        "split_stem": ("Keyboard", "Percussion", "Strings", "Synth"),
    }
    fields = ("instrumental", *STEMS)
    return {
        "id": None,
        "originUrl": None,
        "originData": [
            {
                "duration": result.seconds,
                "audio_url": result.stem(name),
                "stem_type_group_name": name,
                "id": result.id_of(name),
            }
            for name in listed.get(kind, ("Lead Vocal",))
        ],
        **{f"{_camel_case(name)}Url": result.stem(name) if name in urls else None for name in fields},
    }


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _midi(result: Result) -> Record:
    code, message = result.failure or (None, None)
    return {
        "recordTaskId": -1,
        "audioId": str(result.body.get("audioId") or result.id_of("music")),
        "callbackUrl": result.callback_url,
        "completeTime": milliseconds(result.finished) if result.is_done else None,
        "midiData": {"state": "complete", "instruments": INSTRUMENTS} if result.is_done else None,
        "successFlag": result.state,
        "createTime": milliseconds(result.created),
        "errorCode": str(code) if code else None,
        "errorMessage": message,
    }


def _cover_images(result: Result) -> Record:
    code, message = result.failure or (200 if result.is_done else None, "")
    images = [result.file(f"i/{name}.png") for name in ("one", "two")] if result.is_done else None
    return {
        "parentTaskId": str(result.body.get("taskId", "")),
        "callbackUrl": result.callback_url,
        "completeTime": iso_time(result.finished) if result.is_done else None,
        "response": {"images": images} if images else None,
        "successFlag": result.state,
        "createTime": iso_time(result.created),
        "errorCode": code,
        "errorMessage": message,
    }


def _jobs(result: Result) -> Record:
    code, message = result.failure or (None, None)
    param = json.dumps({"input": json.dumps(result.body.get("input", {})), "model": model_of(result)})
    data = {
        "model": model_of(result),
        "state": result.state,
        "param": param,
        "resultJson": job_result(result) if result.is_done else "",
        "failCode": str(code) if code else None,
        "failMsg": message,
        **job_times(result),
    }
    if model_of(result) != "ai-music-api/generate" or not result.is_done:
        return data
    return {
        **data,
        "creditsConsumed": 2.5,
        "operationType": model_of(result),
        "status": "SUCCESS",
        "type": "chirp-hawk",
        "parentMusicId": "",
        "response": job_music(result),
        "successFlag": 1,
        "paramJson": param,
    }


_DATA: Mapping[str, Callable[[Result], Record]] = {
    "music": _music,
    "lyrics": _lyrics,
    "separation": _conversion(_separation),
    "wav": _conversion(lambda result: {"audioWavUrl": result.file("w/one.wav")}),
    "mp4": _conversion(lambda result: {"videoUrl": result.file("videos/one.mp4")}),
    "midi": _midi,
    "cover_images": _cover_images,
    "jobs": _jobs,
    **MEDIA,
}
