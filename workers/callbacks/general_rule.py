"""The general rule: every URL in a callback is a result.

The provider adds shapes faster than software is released, and a file expires while its callback waits for an operator.
So every absolute http(s) URL that no family names is found here, under any field name. ``workers.callbacks.tree`` has
left out the customer's own request, whose URLs are not results.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workers.callbacks.assets import Asset
from workers.callbacks.naming import extension, safe_name, snake_case, url_of
from workers.media.file_types import UNKNOWN_EXT

#: Fields of text for people. A URL that a customer writes there is no file.
_WORDS_FOR_PEOPLE = frozenset({"title", "tags", "style", "msg"})
#: Fields that only wrap results. They are left out of the stem.
_WRAPPERS = frozenset({"data", "info", "response", "result_json"})
#: A longer name is replaced by its digest, so that a path stays short.
_MAX_NAME = 64

_ABSOLUTE_URL = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_URL_WORD = re.compile(r"(?:^|_)urls?$")
_EXT_OF_WORD = (("video", "mp4"), ("image", "jpeg"), ("audio", "mp3"))


@dataclass(frozen=True, slots=True)
class Found:
    """A URL, and its place in the tree."""

    path: tuple[str, ...]
    """Field names in snake case and list positions from 1, from the top down."""
    track_id: str | None
    """The ``id`` of the outermost list entry that has one; then that list has no number in ``path``."""
    url: str


def urls_in(value: object, path: tuple[str, ...] = (), track_id: str | None = None) -> Iterator[Found]:
    """Find the URLs of a plain tree (``workers.callbacks.tree``), in their order."""
    if isinstance(value, str):
        url = url_of(value)
        if url and _ABSOLUTE_URL.match(url) and _last_name(path) not in _WORDS_FOR_PEOPLE:
            yield Found(path, track_id, url)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from urls_in(inner, (*path, _short(snake_case(name))), track_id)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            own_id = safe_name(inner.get("id"), "") if isinstance(inner, dict) and track_id is None else ""
            yield from urls_in(inner, path if own_id else (*path, str(number)), own_id or track_id)


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else safe_name(name + "/", "")


def _last_name(path: tuple[str, ...]) -> str:
    return next((name for name in reversed(path) if not name.isdigit()), "")


def asset_of(task_id: str, found: Found, taken: frozenset[str]) -> Asset:
    """Name the file of a URL.

    The stem is the path without wrappers and without ``url``, or with ``url`` if the family gives the short
    name to another field (``taken``). The extension is the URL's, else by the field's words, else ``bin``.
    """
    names = [name for name in found.path if name not in _WRAPPERS]
    stem = "_".join(filter(None, (_URL_WORD.sub("", name) for name in names)))
    if stem in taken:
        stem = "_".join(names)
    if not stem or stem[0].isdigit():
        stem = f"result_{stem}".rstrip("_")
    words = [word for name in reversed(found.path) for word in name.split("_")]
    default = next((ext for word in words for kind, ext in _EXT_OF_WORD if word in {kind, f"{kind}s"}), UNKNOWN_EXT)
    return Asset(
        task_id,
        found.track_id,
        safe_name(stem, "result"),
        extension(found.url, default),
        found.url,
        short_lived="stream" in words,
        by_path=True,
    )
