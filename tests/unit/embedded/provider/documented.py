"""The documented answers and callbacks, and the family, state and request that each is expected for."""

from typing import Any

from app.embedded.provider.shapes.catalogue import State
from app.embedded.provider.shapes.result import Kind

ADVANCED, SPLIT = {"type": "split_stem_advanced"}, {"type": "split_stem"}
MUSIC_JOB, LYRICS_JOB = {"model": "ai-music-api/generate"}, {"model": "ai-music-api/generate-lyrics"}
STEMS_JOB, WAV_JOB = {"model": "ai-music-api/separate-vocals"}, {"model": "ai-music-api/convert-to-wav-format"}
HEARING_JOB = {"model": "elevenlabs/speech-to-text"}

#: record → family, state, and the customer's request
ANSWERS: dict[str, tuple[str, State, dict[str, Any]]] = {
    **{f"{name}_{state.lower()}": (family, state, {}) for name, family, states in (
        ("lyrics", "lyrics", ("PENDING", "SUCCESS", "CALLBACK_EXCEPTION", "GENERATE_LYRICS_FAILED")),
        ("mp4", "mp4", ("PENDING", "SUCCESS", "CALLBACK_EXCEPTION", "GENERATE_MP4_FAILED")),
        ("wav", "wav", ("PENDING", "SUCCESS", "CALLBACK_EXCEPTION", "GENERATE_WAV_FAILED")),
        ("music", "music", (
            "PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS", "CALLBACK_EXCEPTION", "CREATE_TASK_FAILED",
            "GENERATE_AUDIO_FAILED", "SENSITIVE_WORD_ERROR",
        )),
        ("vocal_removal", "separation", ("PENDING", "CALLBACK_EXCEPTION", "GENERATE_AUDIO_FAILED")),
    ) for state in states},
    "vocal_removal_success_separate_vocal": ("separation", "SUCCESS", {"type": "separate_vocal"}),
    "vocal_removal_success_split_stem": ("separation", "SUCCESS", SPLIT),
    "midi_0_pending": ("midi", 0, {}),
    "midi_1_success": ("midi", 1, {}),
    "midi_2_create_failed": ("midi", 2, {}),
    "midi_3_generate_failed": ("midi", 3, {}),
    "suno_cover_0_pending": ("cover_images", 0, {}),
    "suno_cover_1_success": ("cover_images", 1, {}),
    "suno_cover_3_failed": ("cover_images", 3, {}),
    "recovery_200_success": ("recovery", 200, {"failedTracks": 1}),
    "recovery_201_running": ("recovery", 201, {}),
    "recovery_500_failed": ("recovery", 500, {}),
    "jobs_waiting": ("jobs", "waiting", {}),
    "jobs_queuing": ("jobs", "queuing", {}),
    "jobs_generating": ("jobs", "generating", {}),
    "jobs_success": ("jobs", "success", {}),
    "jobs_fail": ("jobs", "fail", {}),
    "jobs_suno_generate_success": ("jobs", "success", MUSIC_JOB),
    "jobs_suno_lyrics_success": ("jobs", "success", LYRICS_JOB),
    "jobs_suno_separation_success": ("jobs", "success", STEMS_JOB),
    "runway_success": ("runway", "success", {}),
    "aleph_1_success": ("aleph", 1, {}),
    "flux_kontext_1_success": ("flux_kontext", 1, {}),
    "gpt4o_1_success": ("gpt4o_image", 1, {}),
    "voice_record_info_success": ("voice", "success", {}),
    "voice_record_info_failed": ("voice", "fail", {}),
    "voice_validate_info_processing": ("voice_validation", "processing_validate", {}),
    "voice_validate_info_ready": ("voice_validation", "wait_validating", {}),
    "voice_validate_info_failed": ("voice_validation", "processing_validate_fail", {}),
}  # fmt: skip
#: record → path that is posted to
POSTED = {
    "persona_synchronous": "generate/generate-persona",
    "timestamped_lyrics_synchronous": "generate/get-timestamped-lyrics",
    "common_download_url_success": "common/download-url",
    "common_download_url_422": "common/download-url",
}
#: record → code of the refusal
REFUSED = {
    "bad_key_401": 401, "maintenance_455": 455, "rate_limited_429": 429, "rate_limited_430": 430, "unknown_task": 0,
}  # fmt: skip

#: payload → kind of host, family, state, and the customer's request
SENT: dict[str, tuple[Kind, str, State, dict[str, Any]]] = {
    "music_text": ("K", "music", "TEXT_SUCCESS", {}),
    "music_first": ("K", "music", "FIRST_SUCCESS", {}),
    "music_complete": ("K", "music", "SUCCESS", {}),
    "music_error_400": ("K", "music", "SENSITIVE_WORD_ERROR", {}),
    "lyrics": ("K", "lyrics", "SUCCESS", {}),
    "lyrics_error_400": ("K", "lyrics", "GENERATE_LYRICS_FAILED", {}),
    "separation_separate_vocal": ("S", "separation", "SUCCESS", {}),
    "separation_split_stem": ("S", "separation", "SUCCESS", SPLIT),
    "separation_advanced_origin_data": ("S", "separation", "SUCCESS", ADVANCED),
    "separation_error_451": ("S", "separation", "GENERATE_AUDIO_FAILED", {}),
    "separation_info_separate_vocal": ("K", "separation", "SUCCESS", {}),
    "separation_info_split_stem": ("K", "separation", "SUCCESS", SPLIT),
    "separation_info_failed": ("K", "separation", "GENERATE_AUDIO_FAILED", {}),
    "wav": ("K", "wav", "SUCCESS", {}),
    "wav_failed": ("K", "wav", "GENERATE_WAV_FAILED", {}),
    "video": ("K", "mp4", "SUCCESS", {}),
    "video_error_429": ("K", "mp4", "GENERATE_MP4_FAILED", {}),
    "midi_task_id_in_data": ("K", "midi", 1, {}),
    "midi_task_id_on_top": ("S", "midi", 1, {}),
    "midi_failed_task_id_in_data": ("K", "midi", 3, {}),
    "cover_images": ("K", "cover_images", 1, {}),
    "cover_images_failed": ("K", "cover_images", 3, {}),
    "recovery": ("S", "recovery", 200, {}),
    "recovery_all_failed": ("S", "recovery", 500, {}),
    "jobs_success": ("K", "jobs", "success", {}),
    "jobs_failed": ("K", "jobs", "fail", {}),
    "jobs_result_object": ("K", "jobs", "success", HEARING_JOB),
    "inferred_jobs_suno_generate": ("K", "jobs", "success", MUSIC_JOB),
    "inferred_jobs_suno_lyrics": ("K", "jobs", "success", LYRICS_JOB),
    "inferred_jobs_suno_separation": ("K", "jobs", "success", STEMS_JOB),
    "inferred_jobs_suno_wav": ("K", "jobs", "success", WAV_JOB),
    "runway": ("K", "runway", "success", {}),
    "aleph": ("K", "aleph", 1, {}),
    "gpt4o_image": ("K", "gpt4o_image", 1, {}),
    "gpt4o_image_failed": ("K", "gpt4o_image", 2, {}),
    "flux_kontext": ("K", "flux_kontext", 1, {}),
    "veo": ("K", "veo", 1, {}),
    "veo_failed": ("K", "veo", 3, {}),
    "voice_generate": ("K", "voice", "success", {}),
    "voice_generate_failed": ("K", "voice", "fail", {}),
}
#: Payloads that are variants of others: sparse fields, masked ids, other texts of a failure.
VARIANTS = {"music_complete_sparse", "masked_ids", "music_error_531", "replace_section_error_string"}

_FLAGS, _FAILED_FLAGS = (0, 1), (2, 3)
#: family → path of its polling, its stages and its failures, as the provider documents them
PATHS_AND_STATES = {
    "music": (
        "generate/record-info", ("PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS"),
        ("CREATE_TASK_FAILED", "SENSITIVE_WORD_ERROR", "GENERATE_AUDIO_FAILED"),
    ),
    "lyrics": (
        "lyrics/record-info", ("PENDING", "SUCCESS"),
        ("CREATE_TASK_FAILED", "SENSITIVE_WORD_ERROR", "GENERATE_LYRICS_FAILED"),
    ),
    "separation": (
        "vocal-removal/record-info", ("PENDING", "SUCCESS"), ("CREATE_TASK_FAILED", "GENERATE_AUDIO_FAILED"),
    ),
    "wav": ("wav/record-info", ("PENDING", "SUCCESS"), ("CREATE_TASK_FAILED", "GENERATE_WAV_FAILED")),
    "mp4": ("mp4/record-info", ("PENDING", "SUCCESS"), ("CREATE_TASK_FAILED", "GENERATE_MP4_FAILED")),
    "midi": ("midi/record-info", _FLAGS, _FAILED_FLAGS),
    "cover_images": ("suno/cover/record-info", (0, 2, 1), (3,)),
    "recovery": ("suno/recovery/record-info", (201, 200), (500,)),
    "jobs": ("jobs/recordInfo", ("waiting", "queuing", "generating", "success"), ("fail",)),
    "runway": ("runway/record-detail", ("wait", "queueing", "generating", "success"), ("fail",)),
    "aleph": ("aleph/record-info", _FLAGS, _FAILED_FLAGS),
    "gpt4o_image": ("gpt4o-image/record-info", _FLAGS, _FAILED_FLAGS),
    "flux_kontext": ("flux/kontext/record-info", _FLAGS, _FAILED_FLAGS),
    "veo": ("veo/record-info", _FLAGS, _FAILED_FLAGS),
    "voice": ("voice/record-info", ("wait", "success"), ("fail",)),
    "voice_validation": (
        "voice/validate-info", ("processing_validate", "wait_validating"), ("processing_validate_fail",),
    ),
}  # fmt: skip
