"""Makes the parts of a key from fields and URLs: names in snake case, safe names, extensions."""

import hashlib
import re
from typing import Any
from urllib.parse import urlsplit

from config.layout import is_safe_name
from workers.media.file_types import KNOWN

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
_DIGEST_CHARACTERS = 32


def snake_case(name: str) -> str:
    """Write a field's name or a label in snake case: ``originImageUrl`` → ``origin_image_url``."""
    words = _WORD_STARTS.sub("_", name.replace("URL", "Url"))
    return _BETWEEN_WORDS.sub("_", words).strip("_").lower()


def snake_fields(value: object) -> dict[str, Any]:
    """Give an object's fields by their names in snake case; ``{}`` if ``value`` is no object.

    Of two fields with the same name in snake case, the first counts.
    """
    fields: dict[str, Any] = {}
    if isinstance(value, dict):
        for name, inner in value.items():
            fields.setdefault(snake_case(name), inner)
    return fields


def text_of(value: object) -> str:
    """Give a text, stripped, in characters that every store takes; empty if ``value`` is no text.

    A lone surrogate, which JSON can carry and UTF-8 cannot, becomes a question mark.
    """
    return value.strip().encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def url_of(value: object) -> str | None:
    """Read a URL field; None for ``""``, ``null`` and other values that are not text."""
    return text_of(value) or None


def extension(url: str, default: str) -> str:
    """Give the extension of the URL's path if it is a known one, else ``default``."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return default
    ext = path.rpartition(".")[2].lower()
    return ext if ext in KNOWN else default


def safe_name(value: object, fallback: str) -> str:
    """Make a track id or a stem usable in a key.

    A usable text stays as it is and a number becomes its digits. Any other text becomes its digest, so
    that two different texts stay different. Any other value becomes ``fallback``.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        return fallback
    if is_safe_name(text):
        return text
    return "sha256-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
