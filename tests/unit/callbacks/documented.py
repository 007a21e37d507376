"""The documented payloads: their ids, and the family, stage, code and keys that each is expected to have."""

from config.layout import KeyLayout
from workers.callbacks import Callback

MUSIC, SPLIT = "b1946ac92492d2347c6235b4d2611184", "e4d909c290d0fb1ca068ffaddf22cbd0"
SPARSE, MASKED = "5d41402abc4b2a76b9719d911017c592", "2fac****9f72"
IMAGES, WAV = "9bf31c7ff062936a96d3c8bd1f8f2ff3", "c51ce410c124a10e0db5e4b97fc2af39"
SEPARATION, VIDEO = "45c48cce2e2d7fbdea1afc51c7c6ad26", "taskId_c20ad4d76fe9"
ONE, TWO = "7d1f3c52-0b7e-4e58-9a53-1f4a2c6d8e01", "c2a98e77-5f10-4b0d-8d3a-9be0f7715a02"
MASKED_TRACK = "e231****-****-****-****-****8cadc7dc"
TRACK_FILES = ["cover.mp3", "original.mp3", "stream.mp3", "original_stream.mp3", "image.jpeg", "original_image.jpeg"]
STEMS = (
    "vocal", "backing_vocals", "drums", "bass", "guitar", "keyboard",
    "percussion", "strings", "synth", "fx", "brass", "woodwinds",
)  # fmt: skip

SPLIT_K, SEPARATION_K = "59e8f66548152f90167b84ad269af157", "a055588b8cca1fa19cc4faeee18ea74e"
ADVANCED, RECOVERY = "4acedbc1e89475eeeabf43c3088ed4a0", "0b2c082c00e002a2f571cbe340644239"
ALEPH, RUNWAY = "97282b278e5d51866f8e57204e4820e5", "038c0dc8a958ffea17af047244fb6960"
FLUX, GPT4O, VEO = (
    "ef1cb6e72d149b184cc241037203f60b", "725451823b33172bfa0450fc271043fb", "77c3ccd511c4e8b1ac2919e3f2ee2bf1",
)  # fmt: skip
JOB, JOB_MUSIC = "4815bc701a3e39e809b29c6f6d4f5db2", "6bb931f255c72fd9ff07e2a1b596f81a"
JOB_STEMS, JOB_WAV = "0c4d13a44880294325494d1e80676837", "821403599d21bc3461609a1ac3192737"
JOB_TRACKS = ("640d87e7-41e6-4a4c-869a-82a4cd304787", "4205714c-dfe1-4ed9-83d0-30ddf7887781")
RECOVERED = ("3ff45714-ea4c-4069-886d-de97f40b9527", "c344666c-8e0b-45de-8add-65cccda1a540")

#: payload → (family, stage, code), and its keys, written out from the table of names in the bucket
SUCCESSES: dict[str, tuple[str, str, int, list[str]]] = {
    "aleph": ("aleph", "complete", 200, [f"{ALEPH}/{ALEPH}_video.mp4", f"{ALEPH}/{ALEPH}_image.png"]),
    "cover_images": (
        "cover_images", "complete", 200, [f"{IMAGES}/{IMAGES}_image_1.png", f"{IMAGES}/{IMAGES}_image_2.png"],
    ),
    "flux_kontext": (
        "other", "complete", 200, [f"{FLUX}/{FLUX}_origin_image.jpg", f"{FLUX}/{FLUX}_result_image.jpg"],
    ),
    "gpt4o_image": ("other", "complete", 200, [f"{GPT4O}/{GPT4O}_result_1.png", f"{GPT4O}/{GPT4O}_result_2.png"]),
    "inferred_jobs_suno_generate": (
        "jobs", "complete", 200,
        [
            f"{JOB_MUSIC}/{track}/{JOB_MUSIC}_{name}"
            for track in JOB_TRACKS for name in ("cover.mp3", "stream.mp3", "image.jpeg")
        ],
    ),
    "inferred_jobs_suno_lyrics": ("jobs", "complete", 200, []),
    "inferred_jobs_suno_separation": (
        "jobs", "complete", 200, [f"{JOB_STEMS}/{JOB_STEMS}_vocal.mp3", f"{JOB_STEMS}/{JOB_STEMS}_instrumental.mp3"],
    ),
    "inferred_jobs_suno_wav": ("jobs", "complete", 200, [f"{JOB_WAV}/{JOB_WAV}_result_1.wav"]),
    "jobs_result_object": ("jobs", "complete", 200, []),
    "jobs_success": ("jobs", "complete", 200, [f"{JOB}/{JOB}_result_1.png", f"{JOB}/{JOB}_result_2.png"]),
    "lyrics": ("lyrics", "complete", 200, []),
    "masked_ids": ("music", "complete", 200, [f"{MASKED}/{MASKED_TRACK}/{MASKED}_{name}" for name in TRACK_FILES]),
    "midi_task_id_in_data": ("midi", "complete", 200, []),
    "midi_task_id_on_top": ("midi", "complete", 200, []),
    "music_complete": (
        "music", "complete", 200,
        [f"{MUSIC}/{track}/{MUSIC}_{name}" for track in (ONE, TWO) for name in TRACK_FILES],
    ),
    "music_complete_sparse": (
        "music", "complete", 200,
        [
            *(
                f"{SPARSE}/{ONE}/{SPARSE}_{name}"
                for name in ("cover.mp3", "stream.mp3", "image.jpeg", "original_image.jpeg")
            ),
            *(f"{SPARSE}/{TWO}/{SPARSE}_{name}" for name in ("cover.mp3", "stream.mp3", "image.jpeg")),
        ],
    ),
    "music_first": ("music", "first", 200, [f"{MUSIC}/{ONE}/{MUSIC}_{name}" for name in TRACK_FILES]),
    "music_text": ("music", "text", 200, []),
    "recovery": ("recovery", "complete", 200, [f"{RECOVERY}/{track}/{RECOVERY}_cover.m4a" for track in RECOVERED]),
    "runway": ("runway", "complete", 200, [f"{RUNWAY}/{RUNWAY}_video.mp4", f"{RUNWAY}/{RUNWAY}_image.png"]),
    "separation_advanced_origin_data": (
        "separation", "complete", 200,
        [f"{ADVANCED}/{ADVANCED}_lead_vocal.mp3", f"{ADVANCED}/{ADVANCED}_without_lead_vocal.mp3"],
    ),
    "separation_info_separate_vocal": (
        "separation", "complete", 200,
        [f"{SEPARATION_K}/{SEPARATION_K}_{stem}.mp3" for stem in ("instrumental", "vocal")],
    ),
    "separation_info_split_stem": (
        "separation", "complete", 200, [f"{SPLIT_K}/{SPLIT_K}_{stem}.mp3" for stem in STEMS],
    ),
    "separation_separate_vocal": (
        "separation", "complete", 200,
        [f"{SEPARATION}/{SEPARATION}_{stem}.mp3" for stem in ("origin", "instrumental", "vocal")],
    ),
    "separation_split_stem": ("separation", "complete", 200, [f"{SPLIT}/{SPLIT}_{stem}.mp3" for stem in STEMS]),
    "veo": ("other", "complete", 200, [f"{VEO}/{VEO}_result_1.mp4", f"{VEO}/{VEO}_origin_1.mp4"]),
    "video": ("video", "complete", 200, [f"{VIDEO}/{VIDEO}_video.mp4"]),
    "voice_generate": ("voice", "complete", 200, []),
    "wav": ("wav", "complete", 200, [f"{WAV}/{WAV}_audio.wav"]),
}  # fmt: skip

#: payload → (family, code, the provider's message, the failure's own code); no file is named
FAILURES = {
    "cover_images_failed": ("cover_images", 501, "Cover failed", ""),
    "gpt4o_image_failed": ("unknown", 400, "Content policy", ""),
    "jobs_failed": ("jobs", 501, "Internal server error", "500"),
    "lyrics_error_400": ("music", 400, "Description was flagged", ""),
    "midi_failed_task_id_in_data": ("unknown", 500, "MIDI could not be made.", ""),
    "music_error_400": ("music", 400, "Lyrics contain copyrighted material.", ""),
    "music_error_531": ("music", 531, "Generation failed; credits refunded.", ""),
    "recovery_all_failed": ("recovery", 500, "failed", ""),
    "replace_section_error_string": ("music", 501, "technical trouble", ""),
    "separation_error_451": ("separation", 451, "Source audio could not be downloaded.", ""),
    "separation_info_failed": ("separation", 500, "Separation failed.", ""),
    "veo_failed": ("unknown", 501, "Generation failed", ""),
    "video_error_429": ("video", 429, "Insufficient credits.", ""),
    "voice_generate_failed": ("voice", 500, "the reading did not match", "500"),
    "wav_failed": ("wav", 500, "Internal error", ""),
}


def keys(callback: Callback) -> list[str]:
    """Give the keys of a callback's files, sorted."""
    return sorted(asset.key(KeyLayout()) for asset in callback.assets)
