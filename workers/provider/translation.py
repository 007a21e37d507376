"""An answer as the body of a delivered callback, so that everything after it is the same for both.

A delivered callback has its files in ``data``; an answer has them in ``data.response`` (in ``data.videoInfo``,
``data.midiData`` or ``data`` itself in some families), under names in camel case. Fields that we do not know stay in
the body, where the general rule finds their URLs; fields that repeat the customer's request are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workers.callbacks.envelope import SUCCESS, code_of
from workers.callbacks.naming import snake_case, text_of
from workers.callbacks.tree import ECHOED
from workers.provider.families import PolledFamily, state_word
from workers.provider.separation import separation_info

#: The stage of a failure, in ``callbackType``.
ERROR = "error"
#: The code of a failure for which the answer has none: "generation failed".
_FAILED_CODE = 501
_MAX_MESSAGE = 1000

# Names are compared in lower case without separators.
_IDS = frozenset({"taskid"})
#: The customer's request; ``generateParam`` is Runway's name for it.
_REQUEST = ECHOED | {"generateparam"}
#: Fields of ``data`` that describe the task's record: they become the envelope.
_OF_THE_RECORD = _IDS | {"status", "state", "successflag", "errorcode", "errormessage", "failcode", "failmsg"}
_ENVELOPE = _IDS | {"code", "msg", "data", "polled"}


@dataclass(frozen=True, slots=True)
class _Record:
    """An answer about one task, taken apart."""

    task_id: str
    stage: str
    results: dict[str, Any]
    """The object of results, without the task's id."""
    rest: dict[str, Any]
    """The other fields of ``data``, without those that describe the record."""
    data: dict[str, Any]
    """``data`` without the customer's request."""

    @property
    def snake_results(self) -> dict[str, Any]:
        """The results with names in snake case."""
        return _snake(self.results)


def callback_body(family: PolledFamily, payload: dict[str, Any], task_id: str, stage: str) -> dict[str, Any]:
    """Give the body of the callback that this answer corresponds to.

    ``stage`` is ``text``, ``first``, ``complete`` or ``error``. ``data`` of the answer is an object, but for recovered
    audio, whose answers are callbacks already. ``polled`` in the body is the path that was asked.
    """
    body = {**_without(payload, _ENVELOPE), "polled": family.path}
    data = payload.get("data")
    if not family.state_field or not isinstance(data, dict):
        return {"task_id": task_id, "code": payload.get("code"), "msg": payload.get("msg"), "data": data} | body
    key = _RESULTS_IN.get(family.name, "response")
    results = data.get(key)
    is_read = isinstance(results, dict | None)
    answered = _without(data, _REQUEST)
    record = _Record(
        task_id=task_id,
        stage=stage,
        results=_without(results, _IDS) if isinstance(results, dict) else {},
        rest=_without({name: value for name, value in answered.items() if name != key or not is_read}, _OF_THE_RECORD),
        data=answered,
    )
    failed = stage == ERROR
    return {
        "code": _failure_code(family, data) if failed else SUCCESS,
        "msg": _failure_message(family, data) if failed else text_of(payload.get("msg")) or "success",
        **_DATA[family.name](record),
    } | body


def _without(fields: dict[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if snake_case(name).replace("_", "") not in left_out}


def _snake(fields: dict[str, Any]) -> dict[str, Any]:
    """Rename fields in snake case. Of two with the same name, the first that is not empty counts."""
    renamed: dict[str, Any] = {}
    for name, value in fields.items():
        # The provider's callbacks have this one field in camel case, too.
        key = name if name == "createTime" else snake_case(name)
        if renamed.get(key) in (None, ""):
            renamed[key] = value
    return renamed


def _failure_code(family: PolledFamily, data: dict[str, Any]) -> int:
    """Give the failure's code. A delivered job has 501 here, and its own code in ``failCode``."""
    if family.name == "jobs":
        return _FAILED_CODE
    candidates = (code_of({"code": data.get(name)}) for name in ("errorCode", "failCode"))
    return next((code for code in candidates if code not in {None, 0, SUCCESS}), None) or _FAILED_CODE


def _failure_message(family: PolledFamily, data: dict[str, Any]) -> str:
    texts = (text_of(data.get(name))[:_MAX_MESSAGE] for name in ("errorMessage", "failMsg"))
    return next(filter(None, texts), "") or f"the state is {state_word(data.get(family.state_field))}"


def _tracks(record: _Record) -> dict[str, Any]:
    """Music and lyrics: ``sunoData`` or ``data`` is the list of tracks."""
    results = dict(record.results)
    name = next((name for name in ("sunoData", "data") if isinstance(results.get(name), list)), None)
    tracks = [_snake(each) if isinstance(each, dict) else each for each in results.pop(name)] if name else []
    data = {"callbackType": record.stage, "task_id": record.task_id}
    return {"data": {**record.rest, **results, **data, "data": tracks or (None if record.stage == ERROR else [])}}


def _stems(record: _Record) -> dict[str, Any]:
    info = separation_info(record.snake_results)
    return {"data": {**record.rest, "task_id": record.task_id, "vocal_removal_info": info}}


def _fields(id_name: str, *names: str) -> Callable[[_Record], dict[str, Any]]:
    """Make the translation of a family whose ``data`` has one field for each file, in snake case."""

    def translate(record: _Record) -> dict[str, Any]:
        return {"data": {**record.rest, id_name: record.task_id, **dict.fromkeys(names), **record.snake_results}}

    return translate


def _camel_fields(id_name: str, *names: str) -> Callable[[_Record], dict[str, Any]]:
    """Make the translation of a family whose callbacks are in camel case, too."""

    def translate(record: _Record) -> dict[str, Any]:
        return {"data": {**record.rest, id_name: record.task_id, **dict.fromkeys(names), **record.results}}

    return translate


def _aleph(record: _Record) -> dict[str, Any]:
    fields = {"result_video_url": None, "result_image_url": None, **record.snake_results}
    return {"taskId": record.task_id, "data": {**record.rest, **fields}}


def _notes(record: _Record) -> dict[str, Any]:
    """MIDI: no file. A failure names no instruments, as the delivered one."""
    least = {} if record.stage == ERROR else {"instruments": None}
    return {"data": {**record.rest, "taskId": record.task_id, **least, **record.results}}


def _info(record: _Record) -> dict[str, Any]:
    """4o image, Flux, Veo: the results are in ``info``."""
    return {"data": {**record.rest, "taskId": record.task_id, "info": record.results or None}}


def _voice(least: str) -> Callable[[_Record], dict[str, Any]]:
    def translate(record: _Record) -> dict[str, Any]:
        told = {name: record.data.get(name) for name in ("status", "errorCode", "errorMessage")}
        return {"data": {least: None, **record.rest, **record.results, "taskId": record.task_id, **told}}

    return translate


def _job(record: _Record) -> dict[str, Any]:
    """Jobs: as delivered. Some answers have the results a second time in ``response``, unfolded."""
    data = {"resultJson": None, "failCode": None, "failMsg": None, **record.data, "taskId": record.task_id}
    if isinstance(data.get("response"), dict):
        response = data.pop("response")
        data["resultJson"] = data["resultJson"] or response
        if data["resultJson"] is not response:
            data["response"] = response  # behind resultJson: the general rule skips URLs that it has met
    return {"data": data}


#: The place of the results, in families in which it is not ``response``.
_RESULTS_IN = {"runway": "videoInfo", "midi": "midiData"}
_DATA: dict[str, Callable[[_Record], dict[str, Any]]] = {
    "music": _tracks,
    "lyrics": _tracks,
    "separation": _stems,
    "video": _fields("task_id", "video_url"),
    "wav": _camel_fields("task_id", "audioWavUrl"),
    "cover_images": _camel_fields("taskId", "images"),
    "runway": _fields("task_id", "video_url", "image_url"),
    "aleph": _aleph,
    "midi": _notes,
    "gpt4o_image": _info,
    "flux_kontext": _info,
    "veo": _info,
    "voice": _voice("voiceId"),
    "voice_validation": _voice("validateInfo"),
    "jobs": _job,
}
