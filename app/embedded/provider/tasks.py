"""Tasks: they pass through their stages by the clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.embedded.provider.files import Files
from app.embedded.provider.options import Options
from app.embedded.provider.shapes.catalogue import CALLBACK_EXCEPTION, Family, State
from app.embedded.provider.shapes.result import Result


@dataclass
class Task:
    """One submitted task."""

    task_id: str
    family: Family
    body: Mapping[str, Any]
    """The customer's request."""
    stages: Sequence[State]
    """The states that it passes through; it stays in the last one."""
    deliver: bool
    created: float
    """Unix seconds."""
    stage_seconds: float
    undelivered: bool = False
    """Whether the provider has given up sending its callbacks."""

    def due(self, stage: int) -> float:
        """Give the moment (Unix seconds) at which the stage of this number begins."""
        return self.created + stage * self.stage_seconds

    def state(self, now: float) -> State:
        """Give the state at a moment (Unix seconds)."""
        stage = max(number for number in range(len(self.stages)) if number == 0 or self.due(number) <= now)
        state = self.stages[stage]
        undelivered = self.undelivered and self.family.tells_undelivered and state == self.family.done
        return CALLBACK_EXCEPTION if undelivered else state

    def result(self, state: State, options: Options, files: Files) -> Result:
        """Give the task as it is told in a state."""
        return Result(
            task_id=self.task_id,
            family=self.family,
            state=state,
            body=self.body,
            kind=options.kind,
            created=self.created,
            finished=self.due(len(self.stages) - 1),
            seconds=files.seconds,
            file=lambda name: files.url(f"{self.task_id}/{name}"),
        )
