"""The records that the ledger gives out. They cannot change the records in Redis. Times are unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

State = Literal["pending", "transferring", "archived", "rejected", "expired", "set_aside"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of recording a callback."""

    changed: bool
    open: int
    """Assets of the task that are not settled."""
    ready: dict[str, int]
    """How many assets became ready for a worker, by queue."""
    kept: bool
    """Whether the callback itself is in the task's record; False if the record is full."""
    surplus: int
    """How many assets were not recorded, because the task has ``MAX_TASK_ASSETS`` already."""


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """A callback in its task's record."""

    received_at: float
    sha256: str
    """The digest of the body as it came, in hexadecimal."""
    body: str


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """The record of a task without its callbacks. Values that the record does not have are None or empty."""

    family: str | None = None
    stage: str | None = None
    """As ``Callback.stage``; the latest callback decides."""
    rank: int | None = None
    """The stage's number (``STAGE_RANK``)."""
    code: int | None = None
    meaning: str | None = None
    message: str | None = None
    fail_code: str | None = None
    failed_tracks: Mapping[str, str] = field(default_factory=dict)
    """Tracks that the provider could not make: track id → its error."""
    notes: tuple[str, ...] = ()
    version: int = 0
    """A number that grows with every change."""
    written: int | None = None
    """The version in the manifest."""
    open: int = 0
    """How many assets are not settled."""


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """The record of an asset. Values that the record does not have are None or empty."""

    state: State | None = None
    """None where Redis has no record of the asset."""
    url: str | None = None
    key: str | None = None
    source_name: str | None = None
    """The part of the URL that tells files of the same path apart (``Asset.source_name``)."""
    order: int | None = None
    """Stage and time of arrival of the callback that gave the URL, as one number."""
    optional: bool = False
    """Whether its task is complete without it (``Asset.optional``)."""
    announced_seconds: float | None = None
    """The length of the audio according to the callback; 0 if a later callback announces it."""

    recorded_at: float | None = None
    started_at: float | None = None
    """The start of the latest attempt."""
    settled_at: float | None = None
    deadline: float | None = None

    attempts: int | None = None
    error: str | None = None
    """The reason of the latest failure."""
    streak: int | None = None
    """How many attempts in a row failed for this reason."""
    crashes: int | None = None
    """How many processes in a row died that held this asset alone."""
    crashes_in_company: int | None = None
    """How many processes in a row died that held this asset and others."""
    lapses: int | None = None
    """How many leases in a row have lapsed."""

    owner: str | None = None
    lease: float | None = None
    """The end of the owner's lease."""
    fresh: bool = False
    """Whether a new URL came during the attempt."""
    partial: str | None = None
    """The key of the partial file in the bucket."""
    final: bool = False
    """Whether the next attempt stores the partial file."""

    size: int | None = None
    """Bytes of the stored object."""
    sha256: str | None = None
    content_type: str | None = None
    seconds: float | None = None
    """The measured length of the audio, or of its partial file."""
    length: str | None = None
    """``unannounced`` where the source did not announce the length of the body."""
    found: str | None = None
    """How the object compares with the source's file, where one stood under the key before."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskSnapshot:
    """The record of one task and its assets."""

    task_id: str
    task: TaskRecord
    callbacks: list[CallbackRecord]
    """In order of arrival."""
    assets: dict[str, AssetRecord] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return self.task.version

    @property
    def open(self) -> int:
        """How many assets are not settled."""
        return self.task.open
