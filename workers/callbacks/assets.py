"""One file that a callback names, and what it is called."""

import hashlib
import re
from dataclasses import dataclass, replace

from config.layout import KeyLayout

_MAX_SOURCE_NAME, _SHORTEST_UNCOMMON_NAME = 100, 20
_DIGEST_CHARACTERS, _MAX_STEM_WITH_DIGEST = 8, 100


def without_query(url: str) -> str:
    """Give the URL up to its query or fragment, which can change while the file stays the same."""
    return re.split(r"[?#]", url, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class AssetId:
    """An asset's identity: all its callbacks' URLs are the same asset, however they differ."""

    task_id: str
    name: str
    """``<stem>``, or ``<track_id>/<stem>`` where the task has tracks."""

    def __str__(self) -> str:
        return f"{self.task_id}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "AssetId":
        """Undo ``str``. The task id ends at the first slash, as no id contains one."""
        task_id, _, name = text.partition("/")
        return cls(task_id, name)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file to be stored. ``task_id``, ``track_id`` and ``stem`` are safe names (config.layout)."""

    task_id: str
    track_id: str | None
    stem: str
    ext: str
    url: str
    short_lived: bool = False
    """Served while it is being generated, from a URL that dies within minutes."""
    optional: bool = False
    """From a field that the provider has deprecated: its task is not incomplete without this file."""
    seconds: float | None = None
    """How long the callback says that the audio is; 0 if that is told later, None if it is never told."""
    by_path: bool = False
    """Named by its field's path (the general rule), under which a later callback can name another file."""

    @property
    def id(self) -> AssetId:
        """The identity under which it is deduplicated."""
        return AssetId(self.task_id, f"{self.track_id}/{self.stem}" if self.track_id else self.stem)

    @property
    def source_name(self) -> str:
        """What tells the file from another by its URL: its own name if that is no common one, else its path."""
        path = without_query(self.url).partition("://")[2].partition("/")[2]
        name = path.rpartition("/")[2]
        return (name if len(name) >= _SHORTEST_UNCOMMON_NAME else path)[-_MAX_SOURCE_NAME:]

    def told_apart_by(self, text: str) -> "Asset":
        """Give the same asset with a digest of ``text`` behind its stem, so that it has a name of its own."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return replace(self, stem=f"{self.stem[:_MAX_STEM_WITH_DIGEST]}-{digest}")

    def key(self, layout: KeyLayout) -> str:
        """Where it stands in the bucket."""
        return layout.asset_key(self.task_id, self.track_id, self.stem, self.ext)
