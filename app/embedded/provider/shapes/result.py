"""One task at one moment, and the parts that its polling answer and its callback have in common."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from app.embedded.provider.shapes.catalogue import CALLBACK_EXCEPTION, Family, State

#: The two kinds of host: they differ in families, refusals and some shapes.
Kind = Literal["K", "S"]
STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
)  # fmt: skip
INSTRUMENTS = [{"name": "Drums", "notes": [{"pitch": 41, "start": 0.125, "end": 0.25, "velocity": 1}]}]
#: Callbacks write times as numbers and as texts.
MIXED_INSTRUMENTS = [
    {
        "name": "Drums",
        "notes": [
            {"pitch": 41, "start": "0.125", "end": "0.25", "velocity": 1},
            {"pitch": 38, "start": 0.5, "end": "0.625", "velocity": 0.9},
        ],
    },
    {"name": "Acoustic Grand Piano", "notes": [{"pitch": 60, "start": 1.0, "end": "1.5", "velocity": 1}]},
]
LYRICS = "[Verse]\nhold the line"
_JOB_SECONDS = 20
#: Results of jobs that make data and no file, by model.
_RESULT_OBJECTS = {
    "ai-music-api/generate-lyrics": {"lyricsData": [{"text": LYRICS, "title": "Line"}]},
    "elevenlabs/speech-to-text": {
        "language_code": "eng",
        "words": [{"text": "ever", "start": 0.1, "end": 0.3, "type": "word"}],
    },
}


@dataclass(frozen=True)
class Result:
    """One task as the provider tells it at one moment."""

    task_id: str
    family: Family
    state: State
    body: Mapping[str, Any]
    """The customer's request."""
    kind: Kind
    created: float
    """Unix seconds."""
    finished: float
    seconds: float
    """Length of each audio file."""
    file: Callable[[str], str]
    """Gives the URL of one of the task's files, by its name."""

    @property
    def is_done(self) -> bool:
        """Whether there are files, delivered or not."""
        return self.state in {self.family.done, CALLBACK_EXCEPTION}

    @property
    def failure(self) -> tuple[int, str] | None:
        """Code and text of the failure, if the task has failed."""
        return self.family.failures.get(self.state)

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self.is_done or self.failure is not None

    @property
    def tracks(self) -> list[str]:
        """The ids of the two tracks."""
        return [self.id_of(f"track {number}") for number in (1, 2)]

    @property
    def callback_url(self) -> str:
        """The customer's URL, empty if there is none."""
        return str(self.body.get("callBackUrl") or "")

    @property
    def request(self) -> str:
        """The customer's request as JSON."""
        return json.dumps(self.body)

    @property
    def errors(self) -> dict[str, Any]:
        """The fields for the failure: null where there is none."""
        code, message = self.failure or (None, None)
        return {"errorCode": code, "errorMessage": message}

    def id_of(self, part: str) -> str:
        """Make the id of a part of the task, the same each time."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.task_id}/{part}"))

    def stem(self, name: str) -> str:
        """Give the URL of a separated stem."""
        return self.file(f"s/{name}.mp3")


def text_time(moment: float) -> str:
    """Write the moment (Unix seconds) as ``2026-01-01 00:00:00``, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso_time(moment: float) -> str:
    """Write the moment (Unix seconds) as ``2026-01-01T00:00:00.000Z``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def milliseconds(moment: float) -> int:
    """Give the moment (Unix seconds) in milliseconds."""
    return int(moment * 1000)


def track(result: Result, track_id: str, *, created: object, number: int = 0) -> dict[str, Any]:
    """Describe a track in snake case, as callbacks and music jobs do, without the ``source_…`` fields."""
    return {
        "id": track_id,
        "audio_url": result.file(f"a/{track_id}.mp3"),
        "stream_audio_url": result.file(f"stream/{track_id}"),
        "image_url": result.file(f"img/{track_id}.jpeg"),
        "model_name": "chirp-v4-5",
        "prompt": str(result.body.get("prompt", "")),
        "tags": "ambient, sea",
        "title": f"Quay {number}" if number else "Quay",
        "createTime": created,
        "duration": result.seconds,
    }


def job_result(result: Result) -> str:
    """Write ``resultJson`` of a job that is done: which fields it has depends on the model."""
    model = model_of(result)
    if model == "ai-music-api/generate":
        return json.dumps(job_music(result))
    if model in _RESULT_OBJECTS:
        return json.dumps({"resultObject": _RESULT_OBJECTS[model]})
    names = ["j/one.png"]
    if model == "ai-music-api/separate-vocals":
        names = [f"s/{result.id_of(stem)}_{stem}.mp3" for stem in ("Vocals", "Instrumental")]
    elif model == "ai-music-api/convert-to-wav-format":
        names = [f"w/{result.id_of('wav')}.wav"]
    return json.dumps({"resultUrls": [result.file(name) for name in names]})


def model_of(result: Result) -> str:
    """Give the model that a job asked for."""
    return str(result.body.get("model") or "google/nano-banana")


def job_music(result: Result) -> dict[str, Any]:
    """Describe the tracks of a job with a music model."""
    created = milliseconds(result.finished)
    tracks = [track(result, track_id, created=created) for track_id in result.tracks]
    return {"code": 200, "data": tracks, "msg": "success", "task_id": result.task_id}


def job_times(result: Result) -> dict[str, Any]:
    """Give a job's times: null while it runs."""
    ended = {"costTime": _JOB_SECONDS, "completeTime": milliseconds(result.finished)}
    running = dict.fromkeys(ended)
    return {**(ended if result.is_final else running), "createTime": milliseconds(result.created)}


def recovered(result: Result) -> list[dict[str, Any]]:
    """List recovered tracks. ``failedTracks`` in the request says how many of the two failed."""
    failing = len(result.tracks) if result.failure else int(result.body.get("failedTracks", 0))
    titled = {"title": "Harbour", "status": "success", "error": ""}
    succeeded = [
        {"id": track_id, "audio_url": result.file(f"rec/{track_id}.mp3"), **titled}
        for track_id in result.tracks[: len(result.tracks) - failing]
    ]
    failed = [
        {"id": track_id, "audio_url": "", "status": "failed", "error": "feed_failed"}
        for track_id in result.tracks[len(succeeded) :]
    ]
    return succeeded + failed
