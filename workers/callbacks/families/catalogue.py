"""The list of documented shapes, and how each is recognised. The first family that fits counts.

All callbacks come to one URL, so a family is recognised by its shape and not by a route.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from workers.callbacks.assets import Asset
from workers.callbacks.families import separation, tracks
from workers.callbacks.families.jobs import is_job, job_assets, job_stage
from workers.callbacks.families.single_files import files_in, images_in
from workers.callbacks.naming import snake_fields

#: A music task's stages, in ``data.callbackType``.
STAGES = ("text", "first", "complete", "error")


@dataclass(frozen=True)
class Body:
    """A callback's body, as a plain tree with its fields in snake case."""

    task_id: str
    payload: dict[str, Any]

    @property
    def data(self) -> object:
        """The value of ``data``: an object, a list or None."""
        return self.payload.get("data")

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The fields of ``data`` in snake case; empty if it is no object."""
        return snake_fields(self.data)

    @cached_property
    def tracks(self) -> list[dict[str, Any]]:
        """The tracks of a music callback, or of recovered audio."""
        return tracks.tracks_in(self.data) or tracks.tracks_in(self.fields.get("data")) or []


def _no_assets(_: Body) -> Iterator[Asset]:
    return iter(())


def _complete(_: Body) -> str:
    return "complete"


@dataclass(frozen=True)
class Family:
    """One documented shape."""

    name: str
    fits: Callable[[Body], bool]
    assets: Callable[[Body], Iterator[Asset]] = _no_assets
    stage: Callable[[Body], str] = _complete
    """The stage of a callback whose code says success."""
    stems: frozenset[str] = field(default_factory=frozenset)
    """Stems of documented fields. No other field of such a callback gets one of them."""


def recognise(body: Body) -> Family | None:
    """Find the family of a callback, or None if no documented shape fits."""
    return next((family for family in FAMILIES if family.fits(body)), None)


def _has(name: str, kind: type) -> Callable[[Body], bool]:
    """Make a test that ``data`` has this field, with a value of ``kind`` or null."""

    def fits(body: Body) -> bool:
        fields = body.fields
        return name in fields and isinstance(fields[name], kind | None)

    return fits


def _is_music(body: Body) -> bool:
    fields = body.fields
    found = tracks.tracks_in(fields.get("data"))
    if fields.get("callback_type") in STAGES:
        return found is not None or fields.get("data") is None
    return any("audio_url" in track for track in found or ())


def _is_lyrics(body: Body) -> bool:
    """Tell whether the tracks have a text and no URL. A failure of lyrics looks like a failure of music."""
    texts = [track for track in body.tracks if "text" in track]
    return _is_music(body) and bool(texts) and not any(name.endswith("_url") for track in texts for name in track)


def _music_stage(body: Body) -> str:
    stage = body.fields.get("callback_type")
    return stage if stage in STAGES else "complete"


def _is_separation(body: Body) -> bool:
    return any(key in body.fields and isinstance(body.fields[key], dict | None) for key in separation.KEYS)


def _separation_assets(body: Body) -> Iterator[Asset]:
    for key in separation.KEYS:
        if isinstance(info := body.fields.get(key), dict):
            yield from separation.separation_assets(body.task_id, info)


def _is_recovery(body: Body) -> bool:
    found = tracks.tracks_in(body.data)
    return any("audio_url" in track or "status" in track for track in found or ())


def _files(**names: tuple[str, str]) -> Callable[[Body], Iterator[Asset]]:
    return lambda body: files_in(body.task_id, body.fields, names)


_VIDEO, _IMAGE = ("video", "mp4"), ("image", "jpeg")
_has_video = _has("video_url", str)

FAMILIES = (
    Family(
        "jobs",
        lambda body: is_job(body.fields),
        lambda body: job_assets(body.task_id, body.fields),
        lambda body: job_stage(body.fields),
        tracks.STEMS,
    ),
    Family("lyrics", _is_lyrics, stage=_music_stage),
    Family("music", _is_music, lambda body: tracks.track_assets(body.task_id, body.tracks), _music_stage, tracks.STEMS),
    Family(
        "separation",
        _is_separation,
        _separation_assets,
        stems=frozenset(separation.STEMS),
    ),
    Family(
        "aleph",
        _has("result_video_url", str),
        _files(result_video_url=_VIDEO, result_image_url=_IMAGE),
        stems=frozenset({"video", "image"}),
    ),
    Family(
        "runway",
        lambda body: _has_video(body) and "image_url" in body.fields,
        _files(video_url=_VIDEO, image_url=_IMAGE),
        stems=frozenset({"video", "image"}),
    ),
    Family("video", _has_video, _files(video_url=_VIDEO), stems=frozenset({"video"})),
    Family("wav", _has("audio_wav_url", str), _files(audio_wav_url=("audio", "wav")), stems=frozenset({"audio"})),
    Family("cover_images", _has("images", list), lambda body: images_in(body.task_id, body.fields["images"])),
    Family("recovery", _is_recovery, lambda body: tracks.track_assets(body.task_id, body.tracks), stems=tracks.STEMS),
    Family("midi", _has("instruments", list)),
    Family("voice", lambda body: "voice_id" in body.fields or "validate_info" in body.fields),
)
