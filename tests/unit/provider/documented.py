"""The provider's answers in `tests/record_info`: the path that each belongs to, and what it is read as."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from config.layout import KeyLayout
from workers.callbacks import parse_callback
from workers.provider.answers import read_answer
from workers.provider.errors import ProviderError
from workers.provider.families import FAMILIES, PolledFamily

RECORD_INFO = Path(__file__).parents[2] / "record_info"

_MUSIC = "cover.mp3 2, stream.mp3 2, image.jpeg 2"
_STEMS = (
    "vocal.mp3, backing_vocals.mp3, drums.mp3, bass.mp3, guitar.mp3, keyboard.mp3, "
    "percussion.mp3, strings.mp3, synth.mp3, fx.mp3, brass.mp3, woodwinds.mp3"
)

#: answer → (family that is asked, state or reason of refusal, files with their number if it is not 1)
RECORDS: dict[str, tuple[str, str, str]] = {
    "music_pending": ("music", "pending", ""),
    "music_text_success": ("music", "partial", ""),
    "music_first_success": ("music", "partial", "cover.mp3, stream.mp3 2, image.jpeg 2"),
    "music_success": ("music", "done", _MUSIC),
    "music_callback_exception": ("music", "done", _MUSIC),
    "music_create_task_failed": ("music", "failed", ""),
    "music_generate_audio_failed": ("music", "failed", ""),
    "music_sensitive_word_error": ("music", "failed", ""),
    "lyrics_pending": ("lyrics", "pending", ""),
    "lyrics_success": ("lyrics", "done", ""),
    "lyrics_callback_exception": ("lyrics", "done", ""),
    "lyrics_generate_lyrics_failed": ("lyrics", "failed", ""),
    "vocal_removal_pending": ("separation", "pending", ""),
    "vocal_removal_success_separate_vocal": ("separation", "done", "instrumental.mp3, vocal.mp3"),
    "vocal_removal_success_split_stem": ("separation", "done", _STEMS),
    "vocal_removal_callback_exception": ("separation", "done", "instrumental.mp3, vocal.mp3"),
    "vocal_removal_generate_audio_failed": ("separation", "failed", ""),
    "mp4_pending": ("video", "pending", ""),
    "mp4_success": ("video", "done", "video.mp4"),
    "mp4_callback_exception": ("video", "done", "video.mp4"),
    "mp4_generate_mp4_failed": ("video", "failed", ""),
    "wav_pending": ("wav", "pending", ""),
    "wav_success": ("wav", "done", "audio.wav"),
    "wav_callback_exception": ("wav", "done", "audio.wav"),
    "wav_generate_wav_failed": ("wav", "failed", ""),
    "midi_0_pending": ("midi", "pending", ""),
    "midi_1_success": ("midi", "done", ""),
    "midi_2_create_failed": ("midi", "failed", ""),
    "midi_3_generate_failed": ("midi", "failed", ""),
    "suno_cover_0_pending": ("cover_images", "pending", ""),
    "suno_cover_1_success": ("cover_images", "done", "image_1.png, image_2.png"),
    "suno_cover_3_failed": ("cover_images", "failed", ""),
    "recovery_201_running": ("recovery", "pending", ""),
    "recovery_200_success": ("recovery", "done", "cover.m4a"),
    "recovery_500_failed": ("recovery", "failed", ""),
    "jobs_waiting": ("jobs", "pending", ""),
    "jobs_queuing": ("jobs", "pending", ""),
    "jobs_generating": ("jobs", "pending", ""),
    "jobs_success": ("jobs", "done", "result_1.png"),
    "jobs_suno_generate_success": ("jobs", "done", _MUSIC),
    "jobs_suno_lyrics_success": ("jobs", "done", ""),
    "jobs_suno_separation_success": ("jobs", "done", "vocal.mp3, instrumental.mp3"),
    "jobs_fail": ("jobs", "failed", ""),
    "runway_success": ("runway", "done", "video.mp4"),
    "aleph_1_success": ("aleph", "done", "video.mp4, image.png"),
    "gpt4o_1_success": ("gpt4o_image", "done", "result_1.png"),
    "flux_kontext_1_success": ("flux_kontext", "done", "origin_image.jpg, result_image.jpg"),
    "voice_record_info_success": ("voice", "done", ""),
    "voice_record_info_failed": ("voice", "failed", ""),
    "voice_validate_info_processing": ("voice_validation", "pending", ""),
    "voice_validate_info_ready": ("voice_validation", "done", ""),
    "voice_validate_info_failed": ("voice_validation", "failed", ""),
    "unknown_task": ("music", "unknown", ""),
    "bad_key_401": ("music", "wrong_key", ""),
    "rate_limited_429": ("music", "rate_limited", ""),
    "rate_limited_430": ("music", "rate_limited", ""),
    "maintenance_455": ("music", "maintenance", ""),
    # Answers to other questions. Read as one about a task, they must do no harm.
    "persona_synchronous": ("music", "pending", ""),
    "timestamped_lyrics_synchronous": ("music", "pending", ""),
    "common_download_url_success": ("music", "provider_fault", ""),
    "common_download_url_422": ("music", "refused", ""),
}


def record(name: str) -> dict[str, Any]:
    """Read one of the provider's answers."""
    answer: dict[str, Any] = json.loads((RECORD_INFO / f"{name}.json").read_text())
    return answer


def task_of(payload: dict[str, Any]) -> str:
    """Give the id of the task that an answer is about."""
    data = payload.get("data")
    found = (data.get("taskId") if isinstance(data, dict) else None) or payload.get("task_id") or "some-task"
    assert isinstance(found, str)
    return found


def read(family: PolledFamily, payload: dict[str, Any]) -> tuple[str, str]:
    """Read an answer as `RECORDS` has it: its state or the reason of the refusal, and its files."""
    try:
        answer = read_answer(family, payload, task_of(payload))
    except ProviderError as error:
        return error.reason, ""
    if answer.body is None:
        return answer.state, ""
    task_id = task_of(payload)
    keys = [asset.key(KeyLayout()) for asset in parse_callback(answer.body).assets]
    names = Counter(key.rpartition("/")[2].removeprefix(f"{task_id}_") for key in keys)
    return answer.state, ", ".join(name if number == 1 else f"{name} {number}" for name, number in names.items())


def table() -> str:
    """Write the table of `docs/polling.md`."""
    lines = ["| answer | path | state | read as | files |", "|---|---|---|---|---|"]
    for name, (family_name, state, files) in RECORDS.items():
        family, payload = FAMILIES[family_name], record(name)
        data = payload["data"]
        word = data.get(family.state_field, "none") if isinstance(data, dict) else "none"
        if payload["code"] != 200 or not family.state_field:
            word = f"code {payload['code']}"
        lines.append(f"| `{name}` | `{family.path}` | {word} | {state} | {files} |")
    return "\n".join(lines)
