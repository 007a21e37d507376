"""The provider's jobs API: one shape for all models. Its result is JSON in a string, which ``tree`` has unfolded."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from workers.callbacks.assets import Asset, without_query
from workers.callbacks.families.separation import STEMS, stem_of_label
from workers.callbacks.families.tracks import track_assets, tracks_in
from workers.callbacks.naming import extension, safe_name, snake_case, snake_fields, text_of, url_of
from workers.media.file_types import AUDIO

_MUSIC_MODEL = re.compile("music|suno", re.IGNORECASE)
#: Longer names first, because ``…_Backing_Vocals`` ends in ``Vocals``, too.
_LABELS = sorted((*STEMS, "vocals", "lead_vocal", "lead_vocals", "backing_vocal"), key=len, reverse=True)
_RUNNING = frozenset({"waiting", "queuing", "generating"})


def is_job(fields: dict[str, Any]) -> bool:
    """Tell whether ``data``, with field names in snake case, is a job whose result can be read."""
    named = any(name in fields for name in ("result_json", "fail_code", "fail_msg"))
    result = fields.get("result_json")
    return named and (result in {None, "", "null"} if not isinstance(result, dict | list) else True)


def job_stage(fields: dict[str, Any]) -> str:
    """Give the stage of a job that has not failed: ``pending`` or ``complete``."""
    return "pending" if text_of(fields.get("state")).lower() in _RUNNING else "complete"


def job_assets(task_id: str, fields: dict[str, Any]) -> Iterator[Asset]:
    """Name the files of a music model's job; the general rule names those of other models.

    ``data[]`` is read as a music callback's tracks. A bare URL gets the stem with which its file's name ends.
    """
    result = snake_fields(fields.get("result_json"))
    model = fields.get("model")
    if isinstance(model, str) and not _MUSIC_MODEL.search(model):
        return
    yield from track_assets(task_id, tracks_in(result.get("data")) or [])
    urls = result.get("result_urls")
    for value in urls if isinstance(urls, list) else ():
        url = url_of(value)
        stem = _stem_of_file(url) if url else ""
        if url and stem:
            yield Asset(task_id, None, safe_name(stem, "unnamed"), extension(url, "mp3"), url)


def _stem_of_file(url: str) -> str:
    """Give the stem with which an audio file's name ends (``…_Vocals.mp3`` → ``vocal``), or nothing."""
    name, _, ext = unquote(without_query(url)).rpartition("/")[2].rpartition(".")
    if ext.lower() not in AUDIO:
        return ""
    words = snake_case(name)
    return next((stem_of_label(label) for label in _LABELS if words.endswith(f"_{label}")), "")
