"""Provider JSON → ``Callback`` with its ``Asset``s. Pure, and the only place with provider field names.

Families are told apart by shape, never by route: the provider posts all of them to one URL. The
shapes and codes are those of the provider's callback pages.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urlsplit

from config.layout import is_safe_name
from workers.assets import Asset
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError

MEANINGS = {
    200: "success",
    400: "parameter error, content or copyright violation, or invalid source audio",
    401: "the provider's API key is invalid",
    408: "limit exceeded or timed out",
    413: "the uploaded audio matches an existing work",
    429: "out of credits",
    451: "the provider could not download the source files",
    500: "provider error",
    501: "audio generation failed",
    531: "generation failed, credits refunded, try again",
}

_STAGES = ("text", "first", "complete", "error")
#: field → (stem, whether its URL dies within minutes)
_TRACK_AUDIO = {
    "audio_url": ("cover", False),
    "source_audio_url": ("original", False),
    "stream_audio_url": ("stream", True),
    "source_stream_audio_url": ("original_stream", True),
}
_TRACK_IMAGES = {"image_url": "image", "source_image_url": "original_image"}
_TRACK_FIELDS = frozenset(_TRACK_AUDIO) | frozenset(_TRACK_IMAGES)
_IMAGE_EXTENSIONS = frozenset({"jpeg", "jpg", "png", "webp", "gif", "avif"})
_EXTENSIONS = _IMAGE_EXTENSIONS | {"mp3", "wav", "mp4"}
_URL_SUFFIX = "_url"


#: The largest of the provider's callbacks name a dozen files or so. A body of 1 MiB could name 50,000.
MOST_ASSETS = 500


@dataclass(frozen=True)
class Callback:
    """What one callback says."""

    task_id: str
    family: str
    """``music``, ``separation``, ``video``, ``wav``, ``cover_images``, ``lyrics``; or ``unknown``, for a failure."""
    stage: str
    """``text``, ``first``, ``complete`` or ``error``; single-stage families know the last two."""
    code: int
    message: str
    assets: tuple[Asset, ...] = field(default=())

    @property
    def failed(self) -> bool:
        """Whether the provider reports a failure; then there is nothing to download."""
        return self.code != 200  # noqa: PLR2004 - the provider's success code

    @property
    def meaning(self) -> str:
        """The code in words."""
        return MEANINGS.get(self.code, f"code {self.code}, which the provider does not document")


def parse_body(body: bytes | str) -> dict[str, Any]:
    """Read a callback's body as a JSON object, strictly.

    Raises ``UnreadableCallbackError`` for what is not UTF-8, not JSON (``NaN`` and ``Infinity`` are
    not, RFC 8259 section 6), nested too deeply to read, or not an object.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableCallbackError(f"the body is not UTF-8 (byte {error.start})") from None
    try:
        payload = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UnreadableCallbackError("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableCallbackError(f"the body is not JSON ({error.msg} at character {error.pos})") from None
    except ValueError as error:
        raise UnreadableCallbackError(f"the body is not acceptable JSON ({error})") from None
    if not isinstance(payload, dict):
        raise UnreadableCallbackError("the body is not a JSON object")
    return payload


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def task_id_of(payload: dict[str, Any]) -> str:
    """Find the task's id, under either of the names that the provider uses.

    Raises ``UnreadableCallbackError`` when there is none or it could not stand in an object's key.
    """
    data = payload.get("data")
    if not isinstance(data, dict):
        raise UnreadableCallbackError("there is no 'data' object in the body, so no task id")
    task_id = data.get("task_id", data.get("taskId"))
    if task_id is None:
        raise UnreadableCallbackError("there is no task id in the body ('data.task_id' or 'data.taskId')")
    if not is_safe_name(task_id):
        raise UnreadableCallbackError(
            "the task id is not usable: 1 to 128 letters, digits and ! - _ . * ' ( ) are, and not '.' or '..' alone"
        )
    return str(task_id)


def parse_callback(payload: dict[str, Any]) -> Callback:
    """Read a callback of any known shape.

    Raises ``UnreadableCallbackError`` (no task) or ``UnrecognizedCallbackError`` (no known shape).
    """
    task_id = task_id_of(payload)
    data: dict[str, Any] = payload["data"]
    code = payload.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        raise UnrecognizedCallbackError("'code' is not a whole number")
    message = payload.get("msg")
    family = _family(data)
    failed = code != 200  # noqa: PLR2004
    if family is None and not failed:
        raise UnrecognizedCallbackError("no documented shape fits 'data'")
    stage = data.get("callbackType") if family in {"music", "lyrics"} else "complete"
    assets = () if failed or family is None else tuple(_distinct(_assets(family, task_id, data)))
    if len(assets) > MOST_ASSETS:
        raise UnrecognizedCallbackError(f"it names {len(assets)} files, which no song has")
    return Callback(
        task_id=task_id,
        family=family or "unknown",
        stage="error" if failed else str(stage),
        code=code,
        message=message if isinstance(message, str) else "",
        assets=assets,
    )


def _family(data: dict[str, Any]) -> str | None:
    if data.get("callbackType") in _STAGES:
        tracks = data.get("data")
        if isinstance(tracks, list) and all(isinstance(track, dict) for track in tracks):
            return "lyrics" if any("text" in track for track in tracks) and not any(_names_files(tracks)) else "music"
        return "music" if tracks is None else None
    if "vocal_removal_info" in data:
        return "separation" if isinstance(data["vocal_removal_info"], dict | None) else None
    for name, (family, kind) in _SINGLE_FIELDS.items():
        if name in data:
            return family if isinstance(data[name], kind | None) else None
    return None


def _names_files(tracks: list[dict[str, Any]]) -> Iterator[bool]:
    return (name.endswith(_URL_SUFFIX) for track in tracks for name in track)


_SINGLE_FIELDS: dict[str, tuple[str, type]] = {
    "video_url": ("video", str),
    "audioWavUrl": ("wav", str),
    "images": ("cover_images", list),
}


def _music(task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    for position, track in enumerate(data.get("data") or [], start=1):
        track_id = _name_of(track.get("id"), f"track-{position}")
        for name, (stem, short_lived) in _TRACK_AUDIO.items():
            if url := _url(track.get(name)):
                yield Asset(task_id, track_id, stem, "mp3", url, short_lived=short_lived)
        for name, stem in _TRACK_IMAGES.items():
            if url := _url(track.get(name)):
                yield Asset(task_id, track_id, stem, _image_ext(url, "jpeg"), url)
        yield from _undocumented(task_id, track_id, track, known=_TRACK_FIELDS)


def _separation(task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    for name, value in (data["vocal_removal_info"] or {}).items():
        if name.endswith(_URL_SUFFIX) and (url := _url(value)):
            yield Asset(task_id, None, _name_of(name.removesuffix(_URL_SUFFIX), "unnamed"), "mp3", url)


def _video(task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    if url := _url(data["video_url"]):
        yield Asset(task_id, None, "video", "mp4", url)


def _wav(task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    if url := _url(data["audioWavUrl"]):
        yield Asset(task_id, None, "audio", "wav", url)


def _cover_images(task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    for number, value in enumerate(data["images"] or [], start=1):
        if url := _url(value):
            yield Asset(task_id, None, f"image_{number}", _image_ext(url, "png"), url)


def _undocumented(
    task_id: str, track_id: str | None, fields: dict[str, Any], *, known: frozenset[str]
) -> Iterator[Asset]:
    """Take the ``…_url`` fields that came after this was written; a whole field name is no stem of ours."""
    for name, value in fields.items():
        if name.endswith(_URL_SUFFIX) and name not in known and (url := _url(value)):
            yield Asset(task_id, track_id, _name_of(name, "unnamed"), _ext(url, _EXTENSIONS, "mp3"), url)


_ASSETS_OF = {
    "music": _music,
    "separation": _separation,
    "video": _video,
    "wav": _wav,
    "cover_images": _cover_images,
}


def _assets(family: str, task_id: str, data: dict[str, Any]) -> Iterator[Asset]:
    if family in _ASSETS_OF:
        yield from _ASSETS_OF[family](task_id, data)
    yield from _undocumented(task_id, None, data, known=frozenset({"video_url"}))


def _url(value: object) -> str | None:
    """Take a URL field's value; ``""``, ``null`` and what is no text mean that there is no file.

    A lone surrogate, which JSON can smuggle in and UTF-8 cannot carry, becomes a question mark.
    """
    return value.strip().encode("utf-8", "replace").decode() or None if isinstance(value, str) else None


def _image_ext(url: str, default: str) -> str:
    return _ext(url, _IMAGE_EXTENSIONS, default)


def _ext(url: str, known: frozenset[str], default: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return default
    ext = path.rpartition(".")[2].lower()
    return ext if ext in known else default


def _name_of(value: object, fallback: str) -> str:
    """Make a track id or stem usable in a key: itself if it is, its digest if not, so no two become one."""
    if not isinstance(value, str) or not value:
        return fallback
    if is_safe_name(value):
        return value
    return "sha256-" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _distinct(assets: Iterator[Asset]) -> Iterator[Asset]:
    """Let the last URL win where one callback names an asset twice, as a later callback's would."""
    yield from {asset.id: asset for asset in assets}.values()
