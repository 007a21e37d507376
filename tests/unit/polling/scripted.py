"""A provider whose answers the test sets, and the fleet's work on watched tasks in this process."""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tests.unit.conftest import Clock
from workers.context import WorkerContext
from workers.polling.poll import poll
from workers.provider.answers import Answer, read_answer
from workers.provider.client import ProviderClient
from workers.provider.errors import ProviderError
from workers.provider.families import PolledFamily
from workers.watching.watches import Watch

UNKNOWN: dict[str, Any] = {"code": 200, "msg": "success", "data": None}


@dataclass
class Scripted:
    """Answers as the provider does; the answer for a task is a payload or an error, set by family and task."""

    answers: dict[tuple[str, str], dict[str, Any] | ProviderError] = field(default_factory=dict)
    links: dict[str, str | ProviderError] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)

    def ask(self, family: PolledFamily, task_id: str) -> Answer:
        self.asked.append((family.name, task_id))
        answer = self.answers.get((family.name, task_id), UNKNOWN)
        if isinstance(answer, ProviderError):
            raise answer
        return read_answer(family, answer, task_id)

    def fresh_url(self, url: str) -> str | None:
        self.linked.append(url)
        link = self.links.get(url)
        if isinstance(link, ProviderError):
            raise link
        return link

    def times(self) -> dict[tuple[str, str], int]:
        """Count the questions by family and task."""
        counted: dict[tuple[str, str], int] = defaultdict(int)
        for each in self.asked:
            counted[each] += 1
        return counted


def with_provider(context: WorkerContext, provider: Scripted) -> WorkerContext:
    return replace(context, provider=cast("ProviderClient", provider))


def poll_for(context: WorkerContext, clock: Clock, seconds: float, *, step: float = 5.0) -> None:
    """Let the time pass; every ``step`` seconds a worker asks about all tasks that are due.

    Steps at which no task is due are passed over, as no worker is called then. The last one is not.
    """
    until = clock() + seconds
    while True:
        poll(context, sleep=clock.advance)
        left = (until - clock()) // step
        if left < 1:
            break
        due = [math.ceil((at - clock()) / step) for _, at in context.watches.next_ones(1)]
        clock.advance(step * max(1, min([left, *due])))


def video_answer(url: str, task_id: str = "v") -> dict[str, Any]:
    """Give an answer about a finished video."""
    data = {"taskId": task_id, "successFlag": "SUCCESS", "response": {"videoUrl": url}}
    return {"code": 200, "msg": "success", "data": data}


def video_state(flag: str, task_id: str = "v") -> dict[str, Any]:
    """Give an answer about a video that is not finished."""
    return {"code": 200, "msg": "success", "data": {"taskId": task_id, "successFlag": flag, "response": None}}


def music_answer(status: str, *tracks: dict[str, Any], task_id: str = "m") -> dict[str, Any]:
    """Give an answer about a song."""
    data = {"taskId": task_id, "status": status, "response": {"taskId": task_id, "sunoData": list(tracks)}}
    return {"code": 200, "msg": "success", "data": data}


def watch_of(context: WorkerContext, task_id: str = "v") -> Watch:
    watch = next(context.watches.states([task_id]))
    assert watch
    return watch
