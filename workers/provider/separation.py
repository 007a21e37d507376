"""Separated audio in an answer: each stem once, though the answer lists it in two places."""

from typing import Any

from workers.callbacks.families.separation import stem_of_label
from workers.callbacks.naming import snake_case, snake_fields, url_of

_URL_SUFFIX = "_url"
#: The fields of an entry of an advanced separation → the text before the stem in the file's name.
_FIELDS = {"extract": "", "remove": "without_"}


def separation_info(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Give the callback's object of stems for the answer's ``response`` in snake case; None if that is empty.

    An answer names a stem in a field (``vocalUrl``), in an entry of ``originData``, or in both, there with another URL.
    The field wins, and an entry whose stem has one is left out, so that no stem is stored twice.
    """
    if not fields:
        return None
    info = dict(fields)
    entries = info.pop("origin_data", None)
    if isinstance(entries, list):
        urls = {url for name, value in info.items() if name.endswith(_URL_SUFFIX) and (url := url_of(value))}
        left = [kept for entry in entries if (kept := _without_named(entry, info, urls))]
        if left:
            info["origin_data"] = left
    elif entries is not None:
        info["origin_data"] = entries
    return info


def _without_named(entry: object, info: dict[str, Any], urls: set[str]) -> object:
    """Give an entry without the stems that have a field; None if nothing is left."""
    if not isinstance(entry, dict):
        return entry
    prefixes = {name: _FIELDS[field] for name in entry if (field := snake_case(name)) in _FIELDS}
    if not prefixes:
        return None if _is_named(entry, "", info, urls) else entry
    kept = {
        name: piece
        for name, piece in entry.items()
        if name not in prefixes or not _is_named(piece, prefixes[name], info, urls)
    }
    return kept or None


def _is_named(piece: object, prefix: str, info: dict[str, Any], urls: set[str]) -> bool:
    fields = snake_fields(piece)
    label = fields.get("stem_type_group_name")
    stem = prefix + stem_of_label(label) if isinstance(label, str) else ""
    return url_of(info.get(stem + _URL_SUFFIX)) is not None or url_of(fields.get("audio_url")) in urls
