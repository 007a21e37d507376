"""The bucket answers badly, slowly or not at all."""

import time
from collections.abc import Callable

from tests.chaos.load import scaled
from tests.chaos.town import PART, Row, Town


def bucket_in_mood(mood: str, fault: str, seconds: float, *, within: float) -> Callable[[Town, float], Row]:
    """Make the fault: deliver callbacks while the bucket behaves like this (``Bucket.mood``)."""

    def run(town: Town, scale: float) -> Row:
        town.size = 2 * PART + 1000
        town.call_many(scaled(6, scale, least=2))
        town.bucket.mood = mood
        give_up_at = time.monotonic() + max(5.0, seconds * scale)
        while time.monotonic() < give_up_at:
            town.call(1)
            time.sleep(0.5)
        town.bucket.mood = "pass"
        return town.judge(fault, max(1, town.bucket.failed), within=within)

    return run
