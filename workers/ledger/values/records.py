"""The records that the ledger gives out. They cannot change what Redis holds."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of recording a callback."""

    changed: bool
    open: int
    """Assets of the task that are not settled."""
    ready: dict[str, int]
    """How many assets became ready for a worker, by queue."""
    kept: bool
    """Whether the callback itself stands in the task's record; False if the record is full."""
    surplus: int
    """How many assets were not recorded, because the task has ``MAX_TASK_ASSETS`` already."""


@dataclass(frozen=True)
class TaskSnapshot:
    """The record of one task and its assets."""

    task_id: str
    task: dict[str, str]
    callbacks: list[dict[str, Any]]
    """In order of arrival, each with ``received_at`` (unix seconds), the ``sha256`` of its body and the ``body``."""
    assets: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """A number that grows with every change."""
        return int(self.task.get("version", 0))

    @property
    def open(self) -> int:
        """How many assets are not settled."""
        return int(self.task.get("open", 0))
