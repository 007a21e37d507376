"""A submitted task as a body for the inbox, while Redis cannot take its watch.

The body has the shape of a waiting job's callback. A worker of an earlier version records it as such a callback.
"""

import json

from workers.callbacks import parse_body, task_id_of
from workers.errors import UnreadableCallbackError
from workers.provider.families import FAMILIES

_BEGINNING = '{"submitted": {"family": "'


def note_of(task_id: str, family: str) -> str:
    """Give the body for a task of a family of ``workers.provider.families``; empty if the family is unknown."""
    return json.dumps(
        {
            "submitted": {"family": family},
            "code": 200,
            "msg": "pending",
            "data": {"taskId": task_id, "state": "waiting", "resultJson": None},
        }
    )


def read_note(body: str) -> tuple[str, str] | None:
    """Give the task and the family of a body that ``note_of`` has made; None for every other body.

    A family that this version does not know is empty.
    """
    if not body.startswith(_BEGINNING):
        return None
    try:
        payload = parse_body(body)
        task_id = task_id_of(payload)
        family = payload["submitted"]["family"]
    except (UnreadableCallbackError, KeyError, TypeError):
        return None
    if body != note_of(task_id, family):
        return None
    return task_id, family if family in FAMILIES else ""
