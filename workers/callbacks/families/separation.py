"""Separated audio: a URL for each stem, or for each stem and the mix without it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workers.callbacks.assets import Asset
from workers.callbacks.families.tracks import seconds_of
from workers.callbacks.naming import extension, safe_name, snake_case, snake_fields, url_of

#: The provider's older and its present name for the same object.
KEYS = ("vocal_removal_info", "vocal_separation_info")
#: The twelve stems, and the two further files of a plain separation.
STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
    "origin", "instrumental",
)  # fmt: skip

_URL_SUFFIX = "_url"
#: The labels that the provider writes differently from its fields.
_ALIASES = {"vocals": "vocal", "lead_vocals": "lead_vocal", "backing_vocal": "backing_vocals"}


def stem_of_label(label: str) -> str:
    """Give the stem for a stem's label: ``Lead Vocal`` → ``lead_vocal``, ``Vocals`` → ``vocal``."""
    stem = snake_case(label)
    return _ALIASES.get(stem, stem)


def separation_assets(task_id: str, info: dict[str, Any]) -> Iterator[Asset]:
    """Name the files of a separation: ``X_url`` gets the stem ``X``, for any X; ``origin_data`` has labels."""
    for name, value in info.items():
        field = name if name.endswith(_URL_SUFFIX) else snake_case(name)
        if field.endswith(_URL_SUFFIX) and (url := url_of(value)):
            stem = safe_name(field.removesuffix(_URL_SUFFIX), "unnamed")
            yield Asset(task_id, None, stem, extension(url, "mp3"), url)
    yield from _labelled_assets(task_id, snake_fields(info).get("origin_data"))


@dataclass(frozen=True, slots=True)
class _Piece:
    stem: str
    url: str
    fields: dict[str, Any]


def _labelled_assets(task_id: str, entries: object) -> Iterator[Asset]:
    """Name the files of ``split_stem_advanced``: each stem alone, and the mix without it.

    If two files would get the same name, the ``id`` of each becomes its track folder.
    """
    pieces = list(_pieces(entries))
    uses = Counter(piece.stem for piece in {(piece.stem, piece.url): piece for piece in pieces}.values())
    for piece in pieces:
        track_id = safe_name(piece.fields.get("id"), "") if uses[piece.stem] > 1 else ""
        yield Asset(
            task_id,
            track_id or None,
            piece.stem,
            extension(piece.url, "mp3"),
            piece.url,
            seconds=seconds_of(piece.fields),
        )


def _pieces(entries: object) -> Iterator[_Piece]:
    for entry in entries if isinstance(entries, list) else ():
        fields = snake_fields(entry)
        for prefix, part in (("", fields), ("", fields.get("extract")), ("without_", fields.get("remove"))):
            piece = snake_fields(part)
            if url := url_of(piece.get("audio_url")):
                label = piece.get("stem_type_group_name")
                stem = stem_of_label(label) if isinstance(label, str) else ""
                yield _Piece(safe_name(prefix + (stem or "unnamed"), "unnamed"), url, piece)
