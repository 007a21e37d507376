"""Lists of tracks: music, lyrics, the music models of the jobs API, and recovered audio."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from workers.callbacks.assets import Asset
from workers.callbacks.naming import extension, safe_name, snake_fields, text_of, url_of

#: field → stem
_AUDIO = {
    "audio_url": "cover",
    "source_audio_url": "original",
    "stream_audio_url": "stream",
    "source_stream_audio_url": "original_stream",
}
_IMAGES = {"image_url": "image", "source_image_url": "original_image"}
#: Streams are served while a track is generated, from URLs that are dead within minutes.
_SHORT_LIVED = frozenset({"stream_audio_url", "source_stream_audio_url"})
#: The provider has deprecated this field, and its URL may be dead on arrival. A task is complete without this file.
_DEPRECATED = "source_audio_url"

#: The stems of a track's documented fields. No other field of a track gets one of them.
STEMS = frozenset(_AUDIO.values()) | frozenset(_IMAGES.values())

_SECONDS_A_DAY = 86400
#: The most failed tracks whose errors are kept, and the most characters of each error.
_MAX_FAILED, _MAX_ERROR = 100, 200
_FAILED = frozenset({"failed", "fail", "error"})


def tracks_in(value: object) -> list[dict[str, Any]] | None:
    """Give a list of tracks, with field names in snake case; None if the value is no list, or a list without objects.

    An entry that is no object becomes an empty track, so that the others keep their positions.
    """
    if not isinstance(value, list) or (value and not any(isinstance(entry, dict) for entry in value)):
        return None
    return [snake_fields(entry) for entry in value]


def track_assets(task_id: str, tracks: Iterable[dict[str, Any]]) -> Iterator[Asset]:
    """Name the files of tracks, each track in a folder of its own, named by its ``id``."""
    for position, track in enumerate(tracks, start=1):
        track_id = _id_of(track, position)
        for name, stem in _AUDIO.items():
            if url := url_of(track.get(name)):
                yield Asset(
                    task_id,
                    track_id,
                    stem,
                    extension(url, "mp3"),
                    url,
                    short_lived=name in _SHORT_LIVED,
                    optional=name == _DEPRECATED,
                    seconds=seconds_of(track) or 0.0,
                )
        for name, stem in _IMAGES.items():
            if url := url_of(track.get(name)):
                yield Asset(task_id, track_id, stem, extension(url, "jpeg"), url)


def seconds_of(track: dict[str, Any]) -> float | None:
    """Give a track's announced ``duration`` in seconds, if it is a plausible number."""
    duration = track.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return None
    return float(duration) if 0 < duration <= _SECONDS_A_DAY else None


def failed_tracks(tracks: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Give the tracks that the provider could not make: id → its error."""
    failed = (
        (_id_of(track, position), reason)
        for position, track in enumerate(tracks, start=1)
        if (reason := _failure(track)) and not any(url_of(track.get(name)) for name in _AUDIO)
    )
    return dict(islice(failed, _MAX_FAILED))


def says_failed(fields: dict[str, Any]) -> bool:
    """Tell whether an object's ``status`` or ``state`` says that it failed."""
    return any(text_of(fields.get(name)).lower() in _FAILED for name in ("status", "state"))


def _failure(track: dict[str, Any]) -> str:
    error = next((text for name in ("error", "error_message") if (text := text_of(track.get(name)))), "")
    return (error or ("failed" if says_failed(track) else ""))[:_MAX_ERROR]


def _id_of(track: dict[str, Any], position: int) -> str:
    return safe_name(track.get("id"), f"track-{position}")
