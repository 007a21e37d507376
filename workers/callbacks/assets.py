"""One file that a callback names: its identity, its name and its key."""

import hashlib
import re
from dataclasses import dataclass, replace

from config.layout import KeyLayout

_MAX_SOURCE_NAME, _SHORTEST_UNCOMMON_NAME = 100, 20
_DIGEST_CHARACTERS, _MAX_STEM_WITH_DIGEST = 8, 100


def without_query(url: str) -> str:
    """Give the URL without its query and fragment, which can change while the file stays the same."""
    return re.split(r"[?#]", url, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class AssetId:
    """An asset's identity. Callbacks with different URLs for it name the same asset."""

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
    """A stream, which is served during its generation from a URL that is dead within minutes."""
    optional: bool = False
    """From a field that the provider has deprecated: its task is not incomplete without this file."""
    seconds: float | None = None
    """The announced length of the audio; 0 if a later callback may announce it, None if none does."""
    by_path: bool = False
    """Named by its field's path (the general rule). A later callback can name another file under the same path."""

    @property
    def id(self) -> AssetId:
        """The identity, by which repeated callbacks are deduplicated."""
        return AssetId(self.task_id, f"{self.track_id}/{self.stem}" if self.track_id else self.stem)

    @property
    def source_name(self) -> str:
        """The part of the URL that differs from other files': the file's own name if it is long, else the path."""
        path = without_query(self.url).partition("://")[2].partition("/")[2]
        name = path.rpartition("/")[2]
        return (name if len(name) >= _SHORTEST_UNCOMMON_NAME else path)[-_MAX_SOURCE_NAME:]

    def told_apart_by(self, text: str) -> "Asset":
        """Give the same asset with a digest of ``text`` after its stem, so that its name is unique."""
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return replace(self, stem=f"{self.stem[:_MAX_STEM_WITH_DIGEST]}-{digest}")

    def key(self, layout: KeyLayout) -> str:
        """Give its key in the bucket."""
        return layout.asset_key(self.task_id, self.track_id, self.stem, self.ext)
