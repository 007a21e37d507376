"""Callbacks: sent in the order of their stages, sent again three times, and then given up."""

import base64
import hashlib
import heapq
import hmac
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import requests

from app.embedded.provider.options import Options
from app.embedded.provider.tasks import Task
from workers.connections.bounded import Bounded

#: A callback is sent at most 1 + this many times. Then the task sends no further ones.
RETRIES = 3
#: Callbacks that are under way at the same time, at most.
_SENDERS = 8
_MAX_KEPT = 100_000
#: Real seconds between two looks for callbacks that are due.
_CHECK_SECONDS = 0.01
_OK = 200


@dataclass(frozen=True)
class Delivery:
    """One attempt to send a callback."""

    time: float
    """When it was answered or failed; Unix seconds of the provider's clock."""
    task_id: str
    url: str
    body: dict[str, Any]
    status: int
    """HTTP status of the receiver; 0 if there was no answer in time."""


@dataclass(frozen=True, order=True)
class _Due:
    at: float
    serial: int
    """Makes the order total: tasks cannot be compared."""
    stage: int
    tries: int
    task: Task


class Deliveries:
    """Sends the callbacks that are due, while a ``sending`` block lasts. Safe for threads."""

    def __init__(self, options: Options, body_of: Callable[[Task, int], dict[str, Any] | None]) -> None:
        self.attempts: deque[Delivery] = deque(maxlen=_MAX_KEPT)
        """The newest attempts, the oldest first."""
        self._options = options
        self._body_of = body_of
        self._waiting: list[_Due] = []
        self._serial = count()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._free = threading.BoundedSemaphore(_SENDERS)
        self._bounded = Bounded(options.callback_timeout, at_once=_SENDERS)

    def expect(self, task: Task) -> None:
        """Send the callbacks of a task when they are due."""
        if task.deliver and task.body.get("callBackUrl"):
            self._wait_for(task, 0, at=task.due(0))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send callbacks, each from a thread of its own, until the end of the block; later ones are not sent."""
        dispatcher = threading.Thread(target=self._send_all, daemon=True)
        dispatcher.start()
        try:
            yield
        finally:
            self._over.set()

    def _wait_for(self, task: Task, stage: int, *, at: float, tries: int = 0) -> None:
        with self._lock:
            heapq.heappush(self._waiting, _Due(at, next(self._serial), stage, tries, task))

    def _send_all(self) -> None:
        while not self._over.wait(_CHECK_SECONDS):
            while not self._over.is_set() and (due := self._take()):
                self._free.acquire()
                threading.Thread(target=self._send, args=(due,), daemon=True).start()

    def _take(self) -> _Due | None:
        with self._lock:
            is_due = self._waiting and self._waiting[0].at <= self._options.clock()
            return heapq.heappop(self._waiting) if is_due else None

    def _send(self, due: _Due) -> None:
        try:
            self._go_on(due, self._body_of(due.task, due.stage))
        finally:
            self._free.release()

    def _go_on(self, due: _Due, body: dict[str, Any] | None) -> None:
        """Send the body, if the stage has one, and decide what is sent next; only then list the attempt."""
        if body is None:
            self._wait_for_next(due)
            return
        delivery = self._post(due.task, body)
        if delivery.status == _OK:
            self._wait_for_next(due)
        elif due.tries < RETRIES:
            self._wait_for(due.task, due.stage, at=delivery.time + self._options.retry_seconds, tries=due.tries + 1)
        else:
            due.task.undelivered = True
        self.attempts.append(delivery)

    def _wait_for_next(self, due: _Due) -> None:
        stage = due.stage + 1
        if stage < len(due.task.stages):
            self._wait_for(due.task, stage, at=due.task.due(stage))

    def _post(self, task: Task, body: dict[str, Any]) -> Delivery:
        url = str(task.body["callBackUrl"])
        try:
            status = self._bounded.call(partial(self._answer_of, url, task.task_id, json.dumps(body).encode()))
        except (OSError, ValueError):  # requests' errors are OSErrors, or ValueErrors for addresses that are none
            status = 0
        return Delivery(self._options.clock(), task.task_id, url, body, status)

    def _answer_of(self, url: str, task_id: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json", **self._signature(task_id)}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=self._options.callback_timeout,
                allow_redirects=False,
            )
            return answer.status_code

    def _signature(self, task_id: str) -> dict[str, str]:
        """Sign the id and the time, as host K does if the customer has switched it on. The body is not signed."""
        if not self._options.signing_key:
            return {}
        moment = str(int(self._options.clock()))
        signed = hmac.digest(self._options.signing_key.encode(), f"{task_id}.{moment}".encode(), hashlib.sha256)
        return {"X-Webhook-Timestamp": moment, "X-Webhook-Signature": base64.b64encode(signed).decode()}
