"""The requests that the console forwards: the provider's paths below ``/api/v1/`` that make a task.

They are those of the provider's reference, https://docs.sunoapi.org and https://docs.kie.ai. A path
whose task could not be asked about is not in the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Submission:
    """One kind of request that makes a task."""

    family: str
    """The name in ``workers.provider.families`` by which the task is asked about."""
    callback_field: str = "callBackUrl"
    """The field of the body that names the URL for callbacks."""


_MUSIC = Submission("music")

SUBMISSIONS: Mapping[str, Submission] = {
    "generate": _MUSIC,
    "generate/extend": _MUSIC,
    "generate/upload-cover": _MUSIC,
    "generate/upload-extend": _MUSIC,
    "generate/add-vocals": _MUSIC,
    "generate/add-instrumental": _MUSIC,
    "generate/replace-section": _MUSIC,
    "generate/mashup": _MUSIC,
    "generate/sounds": _MUSIC,
    "lyrics": Submission("lyrics"),
    "vocal-removal/generate": Submission("separation"),
    "wav/generate": Submission("wav"),
    "mp4/generate": Submission("video"),
    "midi/generate": Submission("midi"),
    "suno/cover/generate": Submission("cover_images"),
    "suno/recovery": Submission("recovery"),
    "voice/validate": Submission("voice_validation"),
    # The reference spells the field so: https://docs.sunoapi.org/suno-api/suno-voice-regenerate
    "voice/regenerate": Submission("voice_validation", callback_field="calBackUrl"),
    "voice/generate": Submission("voice"),
    "jobs/createTask": Submission("jobs"),
    "runway/generate": Submission("runway"),
    "runway/extend": Submission("runway"),
    "aleph/generate": Submission("aleph"),
    "gpt4o-image/generate": Submission("gpt4o_image"),
    "flux/kontext/generate": Submission("flux_kontext"),
    "veo/generate": Submission("veo"),
    "veo/extend": Submission("veo"),
}
