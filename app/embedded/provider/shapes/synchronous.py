"""Answers of requests that make no task: the result is in the answer to the submission."""

from collections.abc import Mapping
from typing import Any

SYNCHRONOUS: Mapping[str, Mapping[str, Any]] = {
    "generate/generate-persona": {
        "personaId": "persona_71c0",
        "name": "Quay singer",
        "description": "low and slow",
    },
    "generate/get-timestamped-lyrics": {
        "alignedWords": [{"word": "[Verse]\nQuay", "success": True, "startS": 1.36, "endS": 1.79, "palign": 0}],
        "waveformData": [0, 1, 0.5],
        "hootCer": 0.38,
        "isStreamed": False,
    },
}
