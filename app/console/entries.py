"""Reads the body of ``POST /tasks``: one submitted task, or a list of them. Pure."""

from collections.abc import Mapping
from typing import Any

from app.ingress.refusals import RefusedError
from config.layout import is_safe_name
from workers.callbacks.envelope import parse_json
from workers.errors import UnreadableCallbackError
from workers.provider.families import FAMILIES

#: The most tasks of one request.
MAX_TASKS = 1000

_FIELDS = ("task_id", "family")
_BAD_REQUEST = 400


def read_entries(body: bytes) -> dict[str, str]:
    """Give the family of each task, empty if it is to be found by asking.

    Of several entries with one task, the last one that names a family counts. Raises ``RefusedError`` (400) with all
    faults of all entries.
    """
    try:
        payload = parse_json(body)
    except UnreadableCallbackError as error:
        raise RefusedError(_BAD_REQUEST, "bad_json", str(error)) from None
    entries: list[Any] = payload if isinstance(payload, list) else [payload]
    if not 1 <= len(entries) <= MAX_TASKS:
        raise RefusedError(
            _BAD_REQUEST, "bad_number", f"Send 1 to {MAX_TASKS} tasks in one request; these are {len(entries)}."
        )
    faults = [f"entry {number}: {fault}" for number, entry in enumerate(entries, 1) for fault in _faults(entry)]
    if faults:
        raise RefusedError(_BAD_REQUEST, "bad_tasks", "No task is registered: correct the faults.", faults=faults)
    tasks: dict[str, str] = {}
    for entry in entries:
        tasks[entry["task_id"]] = entry.get("family") or tasks.get(entry["task_id"], "")
    return tasks


def _faults(entry: object) -> list[str]:
    if not isinstance(entry, Mapping):
        return ['it must be an object, {"task_id": "…", "family": "music"}']
    faults = []
    if "task_id" not in entry:
        faults.append("'task_id' is missing")
    elif fault := task_id_fault(entry["task_id"]):
        faults.append(f"'task_id' {fault}")
    family = entry.get("family")
    if family and (not isinstance(family, str) or family not in FAMILIES):
        faults.append(f"'family' must be empty or one of {', '.join(FAMILIES)}")
    if unknown := sorted(set(entry) - set(_FIELDS)):
        faults.append(f"the field {unknown[0][:50]!r} is unknown; the fields are 'task_id' and 'family'")
    return faults


def task_id_fault(task_id: object) -> str:
    """Say what is wrong with a task id; empty if it can be part of an object's key."""
    if is_safe_name(task_id):
        return ""
    return "must be a text of 1 to 128 letters, digits and ! - _ . * ' ( ), and not '.' or '..' alone"
