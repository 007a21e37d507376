"""The general rule: every URL in a callback is a result, unless its field repeats the customer's request.

Shapes change faster than software is released, and a callback that waits for people is a file that
expires. So every absolute http(s) URL that no family names is found here, whatever the fields
above it are called, in JSON inside strings too. The provider's contract lists the fields that echo
the request; below them nothing is searched.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workers.assets import Asset
from workers.callbacks.naming import extension, safe_name, snake_case, url_of
from workers.file_types import UNKNOWN_EXT

#: Levels of objects and lists. The deepest documented body has 6.
MAX_DEPTH = 64
#: Levels of JSON inside strings, and the characters of one such string. The documented bodies have one level.
MAX_NESTED_JSON, MAX_NESTED_CHARACTERS = 4, 1024**2

#: What echoes the customer's request, written without capitals and underscores.
ECHOED = frozenset({"param", "paramjson", "promptjson", "prompt", "input", "callbackurl", "progresscallbackurl"})
#: Words for people. A URL that is the whole of such a text is no file. Objects below these names are searched.
_WORDS_FOR_PEOPLE = frozenset({"title", "tags", "style", "text", "lyrics", "msg"})
#: Names that only wrap results. They are left out of the stem.
_WRAPPERS = frozenset({"data", "info", "response", "result_json"})

_ABSOLUTE_URL = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_URL_WORD = re.compile(r"(?:^|_)urls?$")
#: A list that somebody wrote without JSON's quotes: ``[http://a/1.mp4, http://a/2.mp4]``.
_UNQUOTED_LIST = re.compile(r"\[\s*(https?://[^\"]*)\]", re.IGNORECASE)
_EXT_OF_WORD = (("video", "mp4"), ("image", "jpeg"), ("audio", "mp3"))


@dataclass(frozen=True, slots=True)
class Found:
    """A URL, and where it stands: names in snake case and numbers from 1, from the top down."""

    path: tuple[str, ...]
    track_id: str | None
    """The ``id`` of the outermost list entry that has one; then that list has no number in ``path``."""
    url: str


@dataclass
class Search:
    """One search through a callback, and whether it had to stop short somewhere."""

    own_hosts: Collection[str] = ()
    """Hosts of the ingress, with ports, in lower case: a URL of ours is no result."""
    limits_hit: set[str] = field(default_factory=set)
    """What was not searched, in words."""

    def through(self, payload: dict[str, Any]) -> Iterator[Found]:
        """Find the URLs of a callback's body, each once, in the order in which they stand."""
        seen: set[str] = set()
        for found in self._below(payload, (), None, 0, 0):
            if found.url not in seen:
                seen.add(found.url)
                yield found

    def _below(
        self, value: object, path: tuple[str, ...], track_id: str | None, depth: int, nested: int
    ) -> Iterator[Found]:
        if isinstance(value, str):
            yield from self._in_text(value, path, track_id, depth, nested)
        elif isinstance(value, dict | list):
            if depth == MAX_DEPTH:
                self.limits_hit.add(f"what lies more than {MAX_DEPTH} levels deep was not searched")
                return
            for name, inner, inner_track in _children(value, track_id):
                yield from self._below(inner, (*path, name) if name else path, inner_track, depth + 1, nested)

    def _in_text(
        self, text: str, path: tuple[str, ...], track_id: str | None, depth: int, nested: int
    ) -> Iterator[Found]:
        url = url_of(text)
        if not url:
            return
        if _ABSOLUTE_URL.match(url):
            if _last_name(path) not in _WORDS_FOR_PEOPLE and _host(url) not in self.own_hosts:
                yield Found(path, track_id, url)
        elif url[0] in '{["':
            if len(url) > MAX_NESTED_CHARACTERS or nested == MAX_NESTED_JSON:
                self.limits_hit.add("JSON inside a string was too large or nested too often to be searched")
                return
            yield from self._below(_from_json(url), path, track_id, depth, nested + 1)


def _children(value: dict[str, Any] | list[Any], track_id: str | None) -> Iterator[tuple[str, object, str | None]]:
    """Give what lies below an object or a list, with its name and track."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.replace("_", "").replace("-", "").lower() not in ECHOED:
                yield snake_case(name), inner, track_id
        return
    for number, inner in enumerate(value, start=1):
        own_id = safe_name(inner.get("id"), "") if isinstance(inner, dict) and track_id is None else ""
        yield ("", inner, own_id) if own_id else (str(number), inner, track_id)


def _last_name(path: tuple[str, ...]) -> str:
    return next((name for name in reversed(path) if not name.isdigit()), "")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _from_json(text: str) -> object:
    """Read JSON, or a list of URLs without quotes; None for any other text."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        listed = _UNQUOTED_LIST.fullmatch(text)
        return [part for part in listed[1].split(",") if part.strip()] if listed else None
    return found


def asset_of(task_id: str, found: Found, taken: frozenset[str]) -> Asset:
    """Name what was found.

    The stem is the path without wrappers and without ``url``, or with them if the family gives the short
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
    )
