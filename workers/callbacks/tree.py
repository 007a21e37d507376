"""A callback's body as a plain tree, which all readers share.

JSON inside strings is unfolded. Fields that repeat the customer's own request are left out, and so are URLs of the
ingress itself: neither are results. Depth and size are bounded.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from config.addresses import host_of
from workers.callbacks.naming import extension

#: Levels of objects and lists. The deepest documented body has 6.
MAX_DEPTH = 64
#: Levels of JSON inside strings, and the characters of one such string. The documented bodies have one level.
MAX_NESTED_JSON, MAX_NESTED_CHARACTERS = 4, 1024**2

#: The provider's names for fields that repeat the request, in lower case and without separators.
ECHOED = frozenset({"param", "paramjson", "promptjson", "prompt", "input", "callbackurl", "progresscallbackurl"})

_SEPARATORS = re.compile(r"[\W_]+")
_URL = re.compile(r"https?://", re.IGNORECASE)
#: A list of URLs without JSON's quotes: ``[http://a/1.mp4, http://a/2.mp4]``.
_BRACKETS = re.compile(r"\[\s*(https?://[^\"]*)\]", re.IGNORECASE)
_BETWEEN_URLS = ",; \t\r\n"
#: The one field whose JSON is read by families. In other fields, JSON in a string is unfolded only for its URLs.
_RESULT_FIELD = "resultjson"


@dataclass
class Tree:
    """Makes one plain tree. ``limits`` names the bounds because of which something was left out."""

    own_hosts: Collection[str] = ()
    """Hosts of the ingress, as ``config.addresses.host_of`` writes them."""
    limits: set[str] = field(default_factory=set)

    def of(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Give the body as a plain tree."""
        found = self._plain(payload, 0, 0)
        return found if isinstance(found, dict) else {}

    def _plain(self, value: object, depth: int, nested: int, name: str = "") -> object:
        if isinstance(value, str):
            return self._unfolded(value.strip(), depth, nested, name)
        if not isinstance(value, dict | list):
            return value
        if depth == MAX_DEPTH:
            self.limits.add(f"values more than {MAX_DEPTH} levels deep were not read")
            return None
        if isinstance(value, list):
            return [self._plain(inner, depth + 1, nested) for inner in value]
        squashed = {key: _SEPARATORS.sub("", key).lower() for key in value}
        return {
            key: self._plain(inner, depth + 1, nested, squashed[key])
            for key, inner in value.items()
            if squashed[key] not in ECHOED
        }

    def _unfolded(self, text: str, depth: int, nested: int, name: str) -> object:
        if _URL.match(text):
            urls = [self._unless_own(url) for url in _urls_in(text)]
            return urls if len(urls) > 1 else urls[0]
        may_hold_results = name == _RESULT_FIELD or "://" in text or ":\\/" in text
        if text[:1] not in {"{", "[", '"'} or len(text) == 1 or not may_hold_results:
            return text
        if len(text) > MAX_NESTED_CHARACTERS or nested == MAX_NESTED_JSON:
            self.limits.add("JSON inside a string was too large or nested too often to be read")
            return text
        if listed := _BRACKETS.fullmatch(text):
            return [self._unless_own(url) for url in _urls_in(listed[1].strip(), certainly_several=True)]
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return self._plain(found, depth, nested + 1) if isinstance(found, dict | list | str) else text

    def _unless_own(self, url: str) -> str:
        return "" if self.own_hosts and host_of(url) in self.own_hosts else url


def _urls_in(text: str, *, certainly_several: bool = False) -> list[str]:
    """Split a text of several URLs with separators between them.

    A text may also be one URL that contains another. It counts as several if each URL but the last ends in a known
    extension. The time is linear in the length.
    """
    starts = [hit.start() for hit in _URL.finditer(text) if not hit.start() or text[hit.start() - 1] in _BETWEEN_URLS]
    ends = [*starts[1:], len(text)]
    urls = [text[start:end].rstrip(_BETWEEN_URLS) for start, end in zip(starts, ends, strict=True)]
    several = certainly_several or all(extension(url, "") for url in urls[:-1])
    return urls if several else [text]
