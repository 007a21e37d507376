"""Callbacks: the body that a stage sends, with the provider's documented shapes."""

from collections.abc import Callable, Mapping
from typing import Any

from app.embedded.provider.shapes.catalogue import CALLBACK_EXCEPTION
from app.embedded.provider.shapes.result import (
    LYRICS,
    MIXED_INSTRUMENTS,
    STEMS,
    Result,
    job_result,
    job_times,
    model_of,
    recovered,
    text_time,
    track,
)

Body = dict[str, Any]
_MUSIC = {
    "TEXT_SUCCESS": ("text", "Text", 0),
    "FIRST_SUCCESS": ("first", "First track", 1),
    "SUCCESS": ("complete", "All", 2),
}


def callback(result: Result) -> Body | None:
    """Make the callback of the state; ``None`` if the state sends none."""
    if result.family.name == "music" and result.state in _MUSIC:
        return _music_stage(result)
    if not result.is_final or result.state == CALLBACK_EXCEPTION:
        return None
    code, message = result.failure or (200, "success")
    return {"code": code, "msg": message, **_REST[result.family.name](result)}


def _music_stage(result: Result) -> Body:
    word, subject, count = _MUSIC[str(result.state)]
    tracks = [_track(result, track_id) for track_id in result.tracks[:count]]
    data = {"callbackType": word, "task_id": result.task_id, "data": tracks}
    return {"code": 200, "msg": f"{subject} generated successfully.", "data": data}


def _track(result: Result, track_id: str) -> Body:
    source = {
        "source_audio_url": f"src/{track_id}.mp3",
        "source_stream_audio_url": f"src-stream/{track_id}",
        "source_image_url": f"src-img/{track_id}.jpeg",
    }
    urls = {name: result.file(path) for name, path in source.items()}
    return {**track(result, track_id, created=text_time(result.created)), **urls}


def _music_failure(result: Result) -> Body:
    return {"data": {"callbackType": "error", "task_id": result.task_id, "data": None}}


def _lyrics(result: Result) -> Body:
    text = {"text": LYRICS, "title": "Line", "status": "complete", "error_message": ""}
    texts = [text] if result.is_done else None
    return {"data": {"callbackType": "complete", "task_id": result.task_id, "data": texts}}


def _separation(result: Result) -> Body:
    """Name the stems under the field of the host's kind; ``split_stem_advanced`` is documented with S's alone."""
    kind = result.body.get("type", "separate_vocal")
    advanced = kind == "split_stem_advanced"
    field = "vocal_separation_info" if result.kind == "K" and not advanced else "vocal_removal_info"
    names = STEMS if kind == "split_stem" else ("instrumental", "vocal")
    info: Body = {"origin_url": "", **{f"{name}_url": result.stem(name) for name in names}}
    if advanced:
        info = {"origin_data": [{side: _lead_vocal(result, side) for side in ("extract", "remove")}]}
    return {"data": {"task_id": result.task_id, field: info if result.is_done else None}}


def _lead_vocal(result: Result, side: str) -> Body:
    """Describe one side of an advanced separation. Its URL contains a raw space, as the provider's do."""
    stem_id = result.id_of(side)
    return {
        "duration": result.seconds,
        "audio_url": result.file(f"r/{stem_id}_Lead Vocal.mp3"),
        "stem_type_group_name": "Lead Vocal",
        "id": stem_id,
    }


def _midi(result: Result) -> Body:
    """Put the task id where the host's kind has it: K in ``data``, S on top. A failure names it in ``data``."""
    in_data = {"taskId": result.task_id}
    if result.failure:
        return {"data": in_data}
    data = {"state": "complete", "instruments": MIXED_INSTRUMENTS}
    return {"data": {**in_data, **data}} if result.kind == "K" else {"task_id": result.task_id, "data": data}


def _jobs(result: Result) -> Body:
    code, message = result.failure or (None, None)
    data = {
        **job_times(result),
        "model": model_of(result),
        "param": result.request,
        "resultJson": job_result(result) if result.is_done else None,
        "state": result.state,
        "taskId": result.task_id,
        "failCode": str(code) if code else None,
        "failMsg": message,
    }
    # The envelope of a failed job says 501, with any failCode.
    failed, succeeded = "Playground task failed.", "Playground task completed successfully."
    return {"code": 501 if code else 200, "msg": failed if code else succeeded, "data": data}


def _one(field: str, name: str) -> Callable[[Result], Body]:
    """Make a callback that names one file, and null if the task has failed."""
    return lambda result: {"data": {"task_id": result.task_id, field: result.file(name) if result.is_done else None}}


def _cover_images(result: Result) -> Body:
    images = [result.file(f"i/{name}.png") for name in ("one", "two")] if result.is_done else None
    return {"data": {"taskId": result.task_id, "images": images}}


def _runway(result: Result) -> Body:
    data = {
        "task_id": result.task_id,
        "video_id": result.id_of("video"),
        "video_url": result.file("rw/clip.mp4"),
        "image_url": result.file("rw/cover.png"),
    }
    return {"data": data if result.is_done else {"task_id": result.task_id, "video_url": None}}


def _aleph(result: Result) -> Body:
    data = {"result_video_url": result.file("al/clip.mp4"), "result_image_url": result.file("al/thumb.png")}
    return {"data": data if result.is_done else None, "taskId": result.task_id}


def _gpt4o_image(result: Result) -> Body:
    info = {"result_urls": [result.file("4o/one.png")]}
    return {"data": {"taskId": result.task_id, "info": info if result.is_done else None}}


def _flux_kontext(result: Result) -> Body:
    info = {f"{name}ImageUrl": result.file(f"fk/{name}.jpg") for name in ("origin", "result")}
    return {"data": {"taskId": result.task_id, "info": info if result.is_done else None}}


def _veo(result: Result) -> Body:
    if not result.is_done:
        return {"data": {"taskId": result.task_id, "fallbackFlag": False}}
    urls = {f"{name}Urls": [result.file(f"v/{name}.mp4")] for name in ("result", "origin")}
    echo = {"taskId": result.task_id, "promptJson": result.request}
    return {"data": {**echo, "info": {**urls, "resolution": "1080p"}, "fallbackFlag": False}}


def _voice(field: str, value: str) -> Callable[[Result], Body]:
    def rest(result: Result) -> Body:
        code, message = result.failure or (None, "")
        told = {"taskId": result.task_id, field: value if result.is_done else None, "status": result.state}
        return {"data": {**told, "errorCode": code, "errorMessage": message}}

    return rest


_REST: Mapping[str, Callable[[Result], Body]] = {
    "music": _music_failure,
    "lyrics": _lyrics,
    "separation": _separation,
    "wav": _one("audioWavUrl", "w/one.wav"),
    "mp4": _one("video_url", "videos/one.mp4"),
    "midi": _midi,
    "cover_images": _cover_images,
    "recovery": lambda result: {"task_id": result.task_id, "data": recovered(result)},
    "jobs": _jobs,
    "runway": _runway,
    "aleph": _aleph,
    "gpt4o_image": _gpt4o_image,
    "flux_kontext": _flux_kontext,
    "veo": _veo,
    "voice": _voice("voiceId", "voice_5f0c"),
    "voice_validation": _voice("validateInfo", "seven grey gulls over the quay"),
}
