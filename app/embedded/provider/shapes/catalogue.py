"""The families of the provider's API: paths below ``/api/v1/``, states, and failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: A state in the words of the family: a text, or a number where ``successFlag`` or the envelope's code has it.
State = str | int
CALLBACK_EXCEPTION = "CALLBACK_EXCEPTION"


@dataclass(frozen=True)
class Family:
    """One family. The last of ``stages`` is its success."""

    name: str
    poll: str
    submit: tuple[str, ...]
    stages: tuple[State, ...]
    failures: Mapping[State, tuple[int, str]]
    """Final states of failed tasks, each with the code and the text of the failure."""
    id_parameter: str = "taskId"
    kinds: str = "KS"
    """The kinds of host that have the family."""

    @property
    def done(self) -> State:
        """The state of a task that succeeded."""
        return self.stages[-1]

    @property
    def tells_undelivered(self) -> bool:
        """Whether a task whose callback could not be delivered is told as ``CALLBACK_EXCEPTION``."""
        return self.done == "SUCCESS"

    def check(self, stages: Sequence[State] | None) -> None:
        """Raise ``ValueError`` if there are stages, and the family does not have them all."""
        states = {*self.stages, *self.failures, *([CALLBACK_EXCEPTION] if self.tells_undelivered else [])}
        if stages is not None and (not stages or not set(stages) <= states):
            raise ValueError(f"{self.name} has no such states: {stages}; it has {states}")


_Failures = Mapping[State, tuple[int, str]]
_REFUSED: _Failures = {"CREATE_TASK_FAILED": (400, "task refused")}
_SENSITIVE: _Failures = {"SENSITIVE_WORD_ERROR": (400, "prohibited words")}
_ONCE = ("PENDING", "SUCCESS")
_FLAGS: _Failures = {2: (500, "task refused"), 3: (501, "trouble")}
_MUSIC = (
    "generate", "generate/extend", "generate/upload-cover", "generate/upload-extend", "generate/add-vocals",
    "generate/add-instrumental", "generate/replace-section", "generate/mashup", "generate/sounds",
)  # fmt: skip


def _convert(name: str, path: str, failure: str, code: int, message: str) -> Family:
    failures: _Failures = {**_REFUSED, failure: (code, message)}
    return Family(name, f"{path}/record-info", (f"{path}/generate",), _ONCE, failures)


def _flagged(name: str, path: str) -> Family:
    return Family(name, f"{path}/record-info", (f"{path}/generate",), (0, 1), _FLAGS)


_ALL = (
    Family(
        "music",
        "generate/record-info",
        _MUSIC,
        ("PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS"),
        {**_REFUSED, **_SENSITIVE, "GENERATE_AUDIO_FAILED": (413, "matches an existing work")},
    ),
    Family(
        "lyrics",
        "lyrics/record-info",
        ("lyrics",),
        _ONCE,
        {**_REFUSED, **_SENSITIVE, "GENERATE_LYRICS_FAILED": (400, "flagged")},
    ),
    _convert("separation", "vocal-removal", "GENERATE_AUDIO_FAILED", 451, "source not available"),
    _convert("wav", "wav", "GENERATE_WAV_FAILED", 500, "trouble"),
    _convert("mp4", "mp4", "GENERATE_MP4_FAILED", 500, "trouble"),
    Family("midi", "midi/record-info", ("midi/generate",), (0, 1), {2: (500, "task refused"), 3: (500, "trouble")}),
    Family("cover_images", "suno/cover/record-info", ("suno/cover/generate",), (0, 2, 1), {3: (500, "trouble")}),
    Family(
        "recovery",
        "suno/recovery/record-info",
        ("suno/recovery",),
        (201, 200),
        {500: (500, "failed")},
        id_parameter="task_id",
    ),
    Family(
        "jobs",
        "jobs/recordInfo",
        ("jobs/createTask",),
        ("waiting", "queuing", "generating", "success"),
        {"fail": (500, "Internal server error")},
        kinds="K",
    ),
    Family(
        "runway",
        "runway/record-detail",
        ("runway/generate",),
        ("wait", "queueing", "generating", "success"),
        {"fail": (500, "trouble")},
    ),
    _flagged("aleph", "aleph"),
    _flagged("gpt4o_image", "gpt4o-image"),
    _flagged("flux_kontext", "flux/kontext"),
    _flagged("veo", "veo"),
    Family(
        "voice", "voice/record-info", ("voice/generate",), ("wait", "success"), {"fail": (500, "the voice differs")}
    ),
    Family(
        "voice_validation",
        "voice/validate-info",
        ("voice/validate",),
        ("processing_validate", "wait_validating"),
        {"processing_validate_fail": (500, "no phrase")},
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
POLLED: Mapping[str, Family] = {family.poll: family for family in _ALL}
SUBMITTED: Mapping[str, Family] = {path: family for family in _ALL for path in family.submit}
