"""The kinds of task that the provider can be asked about, and the meaning of each kind's states.

The paths and states are those of the provider's reference, https://docs.sunoapi.org and https://docs.kie.ai.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_MAX_WORD, _MAX_NUMBER = 64, 999


class State(StrEnum):
    """The state of a task, as the provider's answer tells it."""

    PENDING = "pending"
    PARTIAL = "partial"
    """Files may be there already; more will come."""
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The provider has no such task in this family."""


@dataclass(frozen=True, slots=True)
class PolledFamily:
    """One kind of task: its path below ``/api/v1/``, and how its state is read."""

    name: str
    """The family's name in ``workers.callbacks``, where the callback's shape has one."""
    path: str
    state_field: str
    """The field of ``data`` that has the state; empty if the envelope's ``code`` is the state."""
    states: Mapping[str, State]
    """Each documented value in upper case → its meaning. No other value has a meaning."""
    id_parameter: str = "taskId"

    def state_of(self, value: object) -> State | None:
        """Give the meaning of a value in ``state_field``; None if it is not documented for this family.

        Texts count in any case, and a number may be digits in a string.
        """
        return self.states.get(state_word(value))


def state_word(value: object) -> str:
    """Write a state as ``PolledFamily.states`` does; empty if it is neither a short text nor a small number."""
    if isinstance(value, str):
        return value.strip()[:_MAX_WORD].upper()
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:
        return ""
    return str(int(value)) if value == int(value) else ""


_PENDING, _PARTIAL, _DONE, _FAILED = State.PENDING, State.PARTIAL, State.DONE, State.FAILED

#: Words of the families whose state is a text in capitals. No word has two meanings.
#: ``CALLBACK_EXCEPTION``: the callback could not be delivered. ``answers`` checks whether the work is done.
_WORDS = {
    "PENDING": _PENDING,
    "TEXT_SUCCESS": _PARTIAL,
    "FIRST_SUCCESS": _PARTIAL,
    "SUCCESS": _DONE,
    "CALLBACK_EXCEPTION": _DONE,
    "CREATE_TASK_FAILED": _FAILED,
    "GENERATE_AUDIO_FAILED": _FAILED,
    "GENERATE_LYRICS_FAILED": _FAILED,
    "GENERATE_WAV_FAILED": _FAILED,
    "GENERATE_MP4_FAILED": _FAILED,
    "SENSITIVE_WORD_ERROR": _FAILED,
}
#: 2 means "could not be created" for these …
_NUMBERS = {"0": _PENDING, "1": _DONE, "2": _FAILED, "3": _FAILED}
#: … and "generating" for cover images.
_NUMBERS_OF_COVER_IMAGES = {"0": _PENDING, "1": _DONE, "2": _PENDING, "3": _FAILED}
_JOBS = {"WAITING": _PENDING, "QUEUING": _PENDING, "GENERATING": _PENDING, "SUCCESS": _DONE, "FAIL": _FAILED}
_RUNWAY = {
    "WAIT": _PENDING, "QUEUEING": _PENDING, "GENERATING": _PENDING, "SUCCESS": _DONE, "FAIL": _FAILED,
}  # fmt: skip
_VOICE = {
    "WAIT_PROCESSING": _PENDING, "PROCESSING_VALIDATE": _PENDING, "PROCESSING_VALIDATE_FAIL": _FAILED,
    "WAIT_VALIDATING": _PENDING, "SUCCESS": _DONE, "FAIL": _FAILED,
}  # fmt: skip
#: The task is to make a phrase. It is done when the provider waits for the customer to read the phrase.
_VOICE_VALIDATION = {**_VOICE, "WAIT_VALIDATING": _DONE}
_CODES = {"200": _DONE, "201": _PENDING, "500": _FAILED}

#: Every family, in the order in which they are asked about a bare id: the most common first.
ASKING_ORDER = (
    PolledFamily("music", "generate/record-info", "status", _WORDS),
    PolledFamily("jobs", "jobs/recordInfo", "state", _JOBS),
    PolledFamily("separation", "vocal-removal/record-info", "successFlag", _WORDS),
    PolledFamily("video", "mp4/record-info", "successFlag", _WORDS),
    PolledFamily("wav", "wav/record-info", "successFlag", _WORDS),
    PolledFamily("lyrics", "lyrics/record-info", "status", _WORDS),
    PolledFamily("cover_images", "suno/cover/record-info", "successFlag", _NUMBERS_OF_COVER_IMAGES),
    PolledFamily("midi", "midi/record-info", "successFlag", _NUMBERS),
    PolledFamily("recovery", "suno/recovery/record-info", "", _CODES, id_parameter="task_id"),
    PolledFamily("veo", "veo/record-info", "successFlag", _NUMBERS),
    PolledFamily("gpt4o_image", "gpt4o-image/record-info", "successFlag", _NUMBERS),
    PolledFamily("flux_kontext", "flux/kontext/record-info", "successFlag", _NUMBERS),
    PolledFamily("runway", "runway/record-detail", "state", _RUNWAY),
    PolledFamily("aleph", "aleph/record-info", "successFlag", _NUMBERS),
    PolledFamily("voice", "voice/record-info", "status", _VOICE),
    PolledFamily("voice_validation", "voice/validate-info", "status", _VOICE_VALIDATION),
)
FAMILIES: Mapping[str, PolledFamily] = {family.name: family for family in ASKING_ORDER}


def family_for(callback_family: str) -> PolledFamily | None:
    """Give the family to ask about a task whose callbacks were of this family of ``workers.callbacks``.

    None for ``other`` and ``unknown``: several kinds of task have callbacks of these shapes.
    """
    return FAMILIES.get(callback_family)
