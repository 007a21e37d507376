"""The envelope of every callback: a JSON object with a task id and a code."""

import json
from typing import Any, NoReturn

from config.layout import is_safe_name
from workers.errors import UnreadableCallbackError

#: The provider's success code.
SUCCESS = 200

_ID_FIELDS = ("task_id", "taskId")
_MAX_CODE_DIGITS = 6


def parse_body(body: bytes | str) -> dict[str, Any]:
    """Read a callback's body as a JSON object, strictly.

    Raises the errors of ``parse_json``, and ``UnreadableCallbackError`` if the body is not an object.
    """
    payload = parse_json(body)
    if not isinstance(payload, dict):
        raise UnreadableCallbackError("the body is not a JSON object")
    return payload


def parse_json(body: bytes | str) -> object:
    """Read a body as JSON, strictly.

    Raises ``UnreadableCallbackError`` if the body is not UTF-8, is not JSON (``NaN`` and ``Infinity`` are
    not, RFC 8259 section 6), or is nested too deeply to read.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableCallbackError(f"the body is not UTF-8 (byte {error.start})") from None
    try:
        payload: object = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UnreadableCallbackError("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise UnreadableCallbackError(f"the body is not JSON ({error.msg} at character {error.pos})") from None
    except ValueError as error:
        raise UnreadableCallbackError(f"the body is not acceptable JSON ({error})") from None
    return payload


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def task_id_of(payload: dict[str, Any]) -> str:
    """Find the task's id in the four places where the provider puts it.

    The places are ``task_id`` and ``taskId``, in ``data`` and at the top. The same id may stand in several
    of them. Raises ``UnreadableCallbackError`` if there is no id, if two ids differ, or if the id could
    not be part of an object's key.
    """
    data = payload.get("data")
    places = (data, payload) if isinstance(data, dict) else (payload,)
    values = [place[name] for place in places for name in _ID_FIELDS if place.get(name) is not None]
    texts = list(dict.fromkeys(value for value in values if isinstance(value, str) and value))
    if len(texts) > 1:
        raise UnreadableCallbackError("the body names two different task ids; all of its task ids must be the same")
    if not values:
        raise UnreadableCallbackError(
            "there is no task id in the body ('task_id' or 'taskId', in 'data' or at the top)"
        )
    if not texts or not is_safe_name(texts[0]):
        raise UnreadableCallbackError(
            "the task id is not usable: it must be a text of 1 to 128 letters, digits and ! - _ . * ' ( ), "
            "and not '.' or '..' alone"
        )
    return texts[0]


def code_of(payload: dict[str, Any]) -> int | None:
    """Give the callback's ``code``, a number or digits in a string; None if there is no usable one."""
    code = payload.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= _MAX_CODE_DIGITS:
        return int(code)
    if isinstance(code, bool) or not isinstance(code, int | float) or not 0 <= code < 10**_MAX_CODE_DIGITS:
        return None
    return int(code) if code == int(code) else None
