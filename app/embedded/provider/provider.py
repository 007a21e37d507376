"""The provider: its tasks, and the answers to requests."""

import hmac
import json
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.embedded.provider.admission import MESSAGES, NO_FAULT, Admission, Mood, Request, RequestLog
from app.embedded.provider.delivery import Deliveries, Delivery
from app.embedded.provider.files import Files
from app.embedded.provider.options import NO_CREDITS, Options
from app.embedded.provider.shapes.callbacks import callback
from app.embedded.provider.shapes.catalogue import FAMILIES, POLLED, SUBMITTED, Family, State
from app.embedded.provider.shapes.records import record
from app.embedded.provider.shapes.result import Result
from app.embedded.provider.shapes.synchronous import SYNCHRONOUS
from app.embedded.provider.tasks import Task

API, FILES = "/api/v1/", "/files/"
_MAX_KEPT = 100_000
_REFUSED, _NOT_FOUND = 422, 404


@dataclass(frozen=True)
class Asked:
    """One HTTP request: ``target`` is its path and query."""

    method: str
    target: str
    authorization: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, sent in the way of the mood."""

    body: bytes
    mood: Mood = NO_FAULT
    status: int = 200
    content_type: str = "application/json"
    location: str = ""


@dataclass(frozen=True)
class Submission:
    """One submitted task."""

    path: str
    """Below ``/api/v1/``."""
    task_id: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class _Plan:
    stages: Sequence[State] | None = None
    deliver: bool | None = None


class Provider:
    """A provider that behaves as documented, and as tests tell it. Safe for threads."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.url = ""
        """Its base URL, without ``/api/v1``."""
        self.files = Files(options)
        self.submissions: deque[Submission] = deque(maxlen=_MAX_KEPT)
        self.deliveries = Deliveries(options, self._callback_of)
        self._admission = Admission(options)
        self._tasks: dict[str, Task] = {}
        self._plans: dict[str, _Plan] = {}
        self._lock = threading.Lock()

    @property
    def key(self) -> str:
        """The API key that it accepts."""
        return self.options.key

    @property
    def requests(self) -> RequestLog:
        """The requests to the API."""
        return self._admission.log

    @property
    def callbacks(self) -> list[Delivery]:
        """The attempts to send callbacks."""
        return list(self.deliveries.attempts)

    @property
    def no_credits(self) -> Mood:
        """The mood of an account without credits, whose code depends on the kind of host."""
        return Mood(code=NO_CREDITS[self.options.kind])

    def set_mood(self, mood: Mood) -> None:
        """Switch a fault on; ``Mood()`` switches it off."""
        self._admission.set_mood(mood)

    def plan(self, family: str, *, stages: Sequence[State] | None = None, deliver: bool | None = None) -> None:
        """Set the stages and the delivery of all tasks of a family that are submitted from now on.

        Raises ``ValueError`` for states that the family does not have.
        """
        FAMILIES[family].check(stages)
        self._plans[family] = _Plan(stages, deliver)

    def add_task(
        self,
        family: str,
        *,
        task_id: str | None = None,
        stages: Sequence[State] | None = None,
        deliver: bool | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> str:
        """Add a task as if it had been submitted now; give its id.

        ``stages`` are states of the family (``catalogue.FAMILIES``), by default those of a success. ``body`` is the
        customer's request; ``callBackUrl``, ``type`` and ``model`` in it count. Raises ``ValueError`` for states that
        the family does not have.
        """
        kind = FAMILIES[family]
        kind.check(stages)
        task = Task(
            task_id=task_id or self.options.new_id(),
            family=kind,
            body=body or {},
            stages=kind.stages if stages is None else stages,
            deliver=self.options.deliver if deliver is None else deliver,
            created=self.options.clock(),
            stage_seconds=self.options.stage_seconds,
        )
        with self._lock:
            self._tasks[task.task_id] = task
            if len(self._tasks) > _MAX_KEPT:
                del self._tasks[next(iter(self._tasks))]
        self.deliveries.expect(task)
        return task.task_id

    def told(self, task_id: str, state: State) -> Result:
        """Give a task as it is told in a state. Raises ``KeyError`` for an unknown task."""
        return self._tasks[task_id].result(state, self.options, self.files)

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        parts = urlsplit(asked.target)
        if parts.path.startswith(FILES):
            return self._file(asked.target.removeprefix(FILES))
        if not parts.path.startswith(API):
            return Answer(b"No such page.", status=404, content_type="text/plain")
        path = parts.path.removeprefix(API)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        code, mood = self._admission.decide(self._request(asked, path, query))
        if mood.redirect:
            return Answer(b"", mood, mood.status or 307, location=mood.redirect + asked.target)
        if mood.status:
            page = f"<html><head><title>{mood.status}</title></head><body>Bad gateway</body></html>"
            return Answer(page.encode(), mood, mood.status, "text/html")
        if mood.body is not None:
            return Answer(mood.body, mood)
        told = _refusal(code) if code else self._told(asked, path, query)
        return Answer(json.dumps(told).encode(), mood)

    def _request(self, asked: Asked, path: str, query: Mapping[str, str]) -> Request:
        family = POLLED.get(path)
        return Request(
            time=self.options.clock(),
            method=asked.method,
            path=path,
            task_id=query.get(family.id_parameter, "") if family else "",
            authorized=hmac.compare_digest(asked.authorization.encode(), f"Bearer {self.key}".encode()),
            has_credentials=bool(asked.authorization),
        )

    def _told(self, asked: Asked, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        if asked.method == "GET" and (family := self._family(POLLED, path)):
            return self._polled(family, query.get(family.id_parameter, ""))
        body = _object(asked.body) if asked.method == "POST" else None
        if body is None:
            return _refusal(_REFUSED if asked.method == "POST" else _NOT_FOUND)
        if path == "common/download-url":
            link = self.files.fresh(str(body.get("url", "")))
            return _refusal(_REFUSED) if link is None else _success(link)
        if path in SYNCHRONOUS:
            return _success(SYNCHRONOUS[path])
        if family := self._family(SUBMITTED, path):
            return _success({"taskId": self._submit(family, path, body)})
        return _refusal(_NOT_FOUND)

    def _family(self, paths: Mapping[str, Family], path: str) -> Family | None:
        family = paths.get(path)
        return family if family and self.options.kind in family.kinds else None

    def _polled(self, family: Family, task_id: str) -> dict[str, Any]:
        if not task_id:
            return {**_refusal(_REFUSED), "msg": f"{family.id_parameter} is missing"}
        task = self._tasks.get(task_id)
        if task is None or task.family is not family:
            return _success(None)
        return record(self.told(task_id, task.state(self.options.clock())))

    def _submit(self, family: Family, path: str, body: Mapping[str, Any]) -> str:
        plan = self._plans.get(family.name, _Plan())
        task_id = self.options.new_id()
        self.submissions.append(Submission(path, task_id, body))
        return self.add_task(family.name, task_id=task_id, stages=plan.stages, deliver=plan.deliver, body=body)

    def _callback_of(self, task: Task, stage: int) -> dict[str, Any] | None:
        return callback(task.result(task.stages[stage], self.options, self.files))

    def _file(self, target: str) -> Answer:
        content = self.files.get(target)
        if isinstance(content, int):
            return Answer(b"This link does not work.", status=content, content_type="text/plain")
        return Answer(content, content_type=media_type(urlsplit(target).path))


def media_type(path: str) -> str:
    """Give the Content-Type of a file."""
    types = {"mp4": "video/mp4", "png": "image/png", "wav": "audio/wav", "jpg": "image/jpeg", "jpeg": "image/jpeg"}
    return types.get(path.rpartition(".")[2], "audio/mpeg")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(body)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _success(data: object) -> dict[str, Any]:
    return {"code": 200, "msg": "success", "data": data}


def _refusal(code: int) -> dict[str, Any]:
    return {"code": code, "msg": MESSAGES.get(code, "Error"), "data": None}
