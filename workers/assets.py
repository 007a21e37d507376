"""One file that a callback names, and what it is called."""

from dataclasses import dataclass

from config.layout import KeyLayout


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
    """How long the callback says that the audio is."""

    @property
    def id(self) -> AssetId:
        """The identity under which it is deduplicated."""
        return AssetId(self.task_id, f"{self.track_id}/{self.stem}" if self.track_id else self.stem)

    def key(self, layout: KeyLayout) -> str:
        """Where it stands in the bucket."""
        return layout.asset_key(self.task_id, self.track_id, self.stem, self.ext)
