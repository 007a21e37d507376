"""Reads the provider's answer about a task: its state, and the body of the callback that says the same."""

from dataclasses import dataclass
from typing import Any

from workers.callbacks import parse_callback
from workers.callbacks.envelope import SUCCESS, code_of
from workers.callbacks.families.tracks import tracks_in
from workers.callbacks.naming import text_of, url_of
from workers.errors import UnreadableCallbackError, UnrecognizedCallbackError
from workers.provider.errors import ProviderFaultError, refusal
from workers.provider.families import PolledFamily, State, state_word
from workers.provider.translation import ERROR, callback_body

_UNDELIVERED = "CALLBACK_EXCEPTION"
_STAGES_OF_PARTIAL = {"TEXT_SUCCESS": "text", "FIRST_SUCCESS": "first"}
_ID_FIELDS = ("task_id", "taskId")


@dataclass(frozen=True, slots=True)
class Answer:
    """The state of a task, and its result."""

    state: State
    body: dict[str, Any] | None = None
    """For ``partial``, ``done`` and ``failed``: a body for ``workers.callbacks.parse_callback``, with ``polled``, the
    path that was asked. A body without any file can be ``unrecognized`` there, as a delivered one."""
    is_certain: bool = True
    """False if the state is unreadable, and nothing in the answer shows that it is about this task."""
    note: str = ""
    """Something undocumented that the reading met, for people."""


def read_answer(family: PolledFamily, payload: object, task_id: str) -> Answer:
    """Read the JSON that the provider answered when it was asked about this task of this family.

    Raises a ``ProviderError`` for a refusal, for an answer of another shape, and for one about another task. An
    undocumented state is ``pending`` with a note: a task is never given up because of a word that we do not know.
    """
    if not isinstance(payload, dict):
        raise ProviderFaultError("the answer is not a JSON object")
    code, data = code_of(payload), payload.get("data")
    if not family.state_field:
        return _read_code(family, payload, task_id)
    if code != SUCCESS:
        raise refusal(code, text_of(payload.get("msg")))
    if data is None:
        return Answer(State.UNKNOWN)
    if not isinstance(data, dict):
        raise ProviderFaultError("the answer has no object in 'data'")
    _check_id(payload, task_id)
    word = state_word(data.get(family.state_field))
    state = family.state_of(word)
    if state is None:
        said = f"the state {word!r}" if word else f"no readable state in '{family.state_field}'"
        note = f"{said}, which is not documented for {family.name}"
        return Answer(State.PENDING, is_certain=task_id in (data.get(name) for name in _ID_FIELDS), note=note)
    if state is State.PENDING:
        return Answer(state)
    if word == _UNDELIVERED:
        return _read_undelivered(family, payload, task_id)
    stage = ERROR if state is State.FAILED else _STAGES_OF_PARTIAL.get(word, "complete")
    return Answer(state, callback_body(family, payload, task_id, stage))


def _read_code(family: PolledFamily, payload: dict[str, Any], task_id: str) -> Answer:
    """Read an answer whose ``code`` is the state. 500 is a state only if the answer names the task or its tracks."""
    code, data = code_of(payload), payload.get("data")
    state = family.state_of(code)
    names_task = isinstance(data, list) or any(payload.get(name) == task_id for name in _ID_FIELDS)
    if state is None or (state is State.FAILED and not names_task):
        raise refusal(code, text_of(payload.get("msg")))
    _check_id(payload, task_id)
    if state is State.PENDING:
        return Answer(state)
    if state is State.DONE and data is None:
        return Answer(State.UNKNOWN)
    if not isinstance(data, list | None):
        raise ProviderFaultError("the answer has no list in 'data'")
    return Answer(state, callback_body(family, payload, task_id, ERROR if state is State.FAILED else "complete"))


def _check_id(payload: dict[str, Any], task_id: str) -> None:
    """Refuse an answer about another task: its files must not be stored under this one's id."""
    data = payload.get("data")
    places = (data, payload) if isinstance(data, dict) else (payload,)
    if any(place.get(name) not in (None, "", task_id) for place in places for name in _ID_FIELDS):
        raise ProviderFaultError("the answer is about another task")


def _read_undelivered(family: PolledFamily, payload: dict[str, Any], task_id: str) -> Answer:
    """Read an answer that says that a callback could not be delivered.

    It need not have been the last callback: a music task has one for the text and one for the first track, too. So the
    task is done if the answer names all that the task makes, partial if it names some, and else pending.
    """
    body = callback_body(family, payload, task_id, "complete")
    tracks = tracks_in(body["data"].get("data")) or []
    try:
        names_files = bool(parse_callback(body).assets)
    except (UnreadableCallbackError, UnrecognizedCallbackError):
        names_files = False
    if family.name == "lyrics":
        is_done = any(text_of(track.get("text")) for track in tracks)
    elif family.name == "music":
        is_done = bool(tracks) and all(url_of(track.get("audio_url")) for track in tracks)
    else:
        is_done = names_files
    if is_done:
        return Answer(State.DONE, body)
    if names_files:
        return Answer(State.PARTIAL, callback_body(family, payload, task_id, "first"))
    return Answer(State.PENDING, note=f"the state {_UNDELIVERED}, and no file")
