"""The sample callbacks of ``stemvault demo``, whose files an origin serves."""

import json
from collections.abc import Mapping

from app.embedded.origin import SONG_SECONDS, Origin, film, picture, song

_STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
)  # fmt: skip


def sample_callbacks(origin: Origin) -> list[tuple[str, dict[str, object]]]:
    """Make the provider's callbacks: two separations, a music task in its stages with a repeat, a job, a video."""
    stems = {f"{stem}_url": origin.serve(f"/s/{stem}.mp3", song(stem)) for stem in _STEMS}
    tracks = [_track(origin, track_id) for track_id in ("7d1f3c52-0b7e", "c2a98e77-5f10")]
    split = {"task_id": "demo-split", "vocal_removal_info": {"origin_url": "", **stems}}
    pair = {f"{stem}_url": origin.serve(f"/k/two_{stem}.mp3", song(f"k {stem}")) for stem in ("vocal", "instrumental")}
    separation = {"task_id": "demo-separation", "vocal_separation_info": {"origin_url": "", **pair}}
    video = {"task_id": "demo-video", "video_url": origin.serve("/v/clip.mp4", film())}
    complete = ("music, complete", _music("complete", tracks))
    return [
        ("split_stem, 12 stems", _envelope(split)),
        ("music, text", _music("text", [])),
        ("music, first", _music("first", tracks[:1])),
        complete,
        ("music, complete again", complete[1]),
        ("vocal_separation_info", _envelope(separation)),
        ("jobs, a music model", _envelope(_job(origin))),
        ("video", _envelope(video)),
    ]


def _job(origin: Origin) -> dict[str, object]:
    """Make a task of the jobs API: its result is JSON inside a string, and URLs of the request are not fetched."""
    names = ("audio_url", "stream_audio_url", "image_url")
    tracks = [_track(origin, f"job-{number}") for number in (1, 2)]
    result = {"code": 200, "data": [{name: track[name] for name in ("id", "duration", *names)} for track in tracks]}
    request = {"prompt": "a quay at dusk", "uploadUrl": f"{origin.url}/uploaded-by-the-customer.mp3"}
    return {
        "taskId": "demo-job",
        "state": "success",
        "model": "ai-music-api/generate",
        "param": json.dumps({"input": request}),
        "resultJson": json.dumps(result),
    }


def _track(origin: Origin, track_id: str) -> dict[str, object]:
    audio = {
        "audio_url": f"/a/{track_id}.mp3",
        "source_audio_url": f"/src/{track_id}.mp3",
        "stream_audio_url": f"/stream/{track_id}",
        "source_stream_audio_url": f"/src-stream/{track_id}",
    }
    images = {"image_url": f"/img/{track_id}.jpeg", "source_image_url": f"/src-img/{track_id}.jpeg"}
    urls = {name: origin.serve(path, song(path)) for name, path in audio.items()}
    urls |= {name: origin.serve(path, picture(path)) for name, path in images.items()}
    return {"id": track_id, "title": "夜航", "duration": SONG_SECONDS, **urls}


def _music(stage: str, tracks: list[dict[str, object]]) -> dict[str, object]:
    return _envelope({"callbackType": stage, "task_id": "demo-music", "data": tracks})


def _envelope(data: Mapping[str, object]) -> dict[str, object]:
    return {"code": 200, "msg": "All generated successfully.", "data": data}
