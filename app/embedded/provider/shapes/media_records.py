"""Answers to polling of the families that make no music: videos, images and voices."""

from collections.abc import Callable, Mapping
from typing import Any

from app.embedded.provider.shapes.result import Result, iso_time, text_time

Record = dict[str, Any]


def _runway(result: Result) -> Record:
    video = {"videoId": result.id_of("video"), "videoUrl": result.file("rw/clip.mp4")}
    told = {
        "state": result.state,
        "generateTime": text_time(result.finished) if result.is_final else "",
        "videoInfo": video if result.is_done else None,
    }
    return {**told, "failMsg": result.failure[1]} if result.failure else told


def _aleph(result: Result) -> Record:
    response = {
        "taskId": result.task_id,
        "resultVideoUrl": result.file("al/clip.mp4"),
        "resultImageUrl": result.file("al/thumb.png"),
    }
    code, message = result.failure or (0, "")
    return {**_flagged(result, response, iso_time), "errorCode": code, "errorMessage": message}


def _gpt4o_image(result: Result) -> Record:
    response = {"resultUrls": [result.file("4o/one.png")]} if result.is_done else None
    return {"response": response, "successFlag": result.state}


def _flux_kontext(result: Result) -> Record:
    urls = {f"{name}ImageUrl": result.file(f"fk/{name}.jpg") for name in ("origin", "result")}
    return _flagged(result, urls, text_time)


def _veo(result: Result) -> Record:
    urls = {f"{name}Urls": [result.file(f"v/{name}.mp4")] for name in ("result", "origin")}
    response = {"taskId": result.task_id, **urls, "resolution": "1080p"}
    return {**_flagged(result, response, text_time), "fallbackFlag": False}


def _flagged(result: Result, response: Record, write: Callable[[float], str]) -> Record:
    code, message = result.failure or (None, "")
    return {
        "paramJson": result.request,
        "completeTime": write(result.finished) if result.is_final else None,
        "response": response if result.is_done else None,
        "successFlag": result.state,
        "errorCode": code,
        "errorMessage": message,
        "createTime": write(result.created),
    }


def _voice(result: Result) -> Record:
    return {"voiceId": "voice_5f0c" if result.is_done else "", "status": result.state, **result.errors}


def _voice_validation(result: Result) -> Record:
    phrase = "seven grey gulls over the quay" if result.is_done else ""
    return {"validateInfo": phrase, "status": result.state, **result.errors}


MEDIA: Mapping[str, Callable[[Result], Record]] = {
    "runway": _runway,
    "aleph": _aleph,
    "gpt4o_image": _gpt4o_image,
    "flux_kontext": _flux_kontext,
    "veo": _veo,
    "voice": _voice,
    "voice_validation": _voice_validation,
}
