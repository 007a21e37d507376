"""A callback's body as a plain tree, as all readers see it.

JSON inside strings is unfolded. What repeats the customer's own request is left out, and so are addresses of
the ingress itself: neither is a result. Depth and size are bounded.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from config.addresses import host_of

#: Levels of objects and lists. The deepest documented body has 6.
MAX_DEPTH = 64
#: Levels of JSON inside strings, and the characters of one such string. The documented bodies have one level.
MAX_NESTED_JSON, MAX_NESTED_CHARACTERS = 4, 1024**2

#: The contract's names for what echoes the request, without capitals and separators.
ECHOED = frozenset({"param", "paramjson", "promptjson", "prompt", "input", "callbackurl", "progresscallbackurl"})

_SEPARATORS = re.compile(r"[\W_]+")
_URL = re.compile(r"https?://", re.IGNORECASE)
#: Several URLs in one string, with or without brackets around them: ``[http://a/1.mp4, http://a/2.mp4]``.
_BRACKETS = re.compile(r"\[\s*(https?://[^\"]*)\]", re.IGNORECASE)
_BETWEEN_URLS = re.compile(r"[,;\s]+(?=https?://)", re.IGNORECASE)


@dataclass
class Tree:
    """Makes one plain tree, and tells in ``limits`` what was left out because of a bound."""

    own_hosts: Collection[str] = ()
    """Hosts of the ingress, as ``config.addresses.host_of`` writes them."""
    limits: set[str] = field(default_factory=set)

    def of(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Give the body as a plain tree."""
        found = self._plain(payload, 0, 0)
        return found if isinstance(found, dict) else {}

    def _plain(self, value: object, depth: int, nested: int) -> object:
        if isinstance(value, str):
            return self._unfolded(value.strip(), depth, nested)
        if not isinstance(value, dict | list):
            return value
        if depth == MAX_DEPTH:
            self.limits.add(f"what lies more than {MAX_DEPTH} levels deep was not read")
            return None
        if isinstance(value, list):
            return [self._plain(inner, depth + 1, nested) for inner in value]
        return {
            name: self._plain(inner, depth + 1, nested) for name, inner in value.items() if not _echoes_request(name)
        }

    def _unfolded(self, text: str, depth: int, nested: int) -> object:
        if _URL.match(text):
            urls = _BETWEEN_URLS.split(text)
            kept = ["" if self.own_hosts and host_of(url) in self.own_hosts else url for url in urls]
            return kept if len(kept) > 1 else kept[0]
        if text[:1] not in {"{", "[", '"'} or len(text) == 1:
            return text
        if len(text) > MAX_NESTED_CHARACTERS or nested == MAX_NESTED_JSON:
            self.limits.add("JSON inside a string was too large or nested too often to be read")
            return text
        if listed := _BRACKETS.fullmatch(text):
            return [self._unfolded(part.strip(), depth, nested) for part in _BETWEEN_URLS.split(listed[1])]
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return self._plain(found, depth, nested + 1) if isinstance(found, dict | list | str) else text


def _echoes_request(name: str) -> bool:
    return _SEPARATORS.sub("", name).lower() in ECHOED
