"""The time to read a hostile callback grows linearly with its size, not quadratically."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from workers.callbacks import MAX_ASSETS, parse_callback

URL = "https://files.example/out/7f3a"
#: The ratio of the sizes of the two bodies. A linear time grows by this, a quadratic one by its square.
TIMES = 8


def long_names(size: int) -> object:
    """Nest many URLs below long names."""
    found: object = {f"{number}_url": f"{URL}/{number}" for number in range(size // 100)}
    for _ in range(10):
        found = {"x" * (size // 20): found}
    return found


def separators(size: int) -> object:
    return {"videoUrl": f"{URL}.mp4" + "," * size}


def joined(size: int) -> object:
    return {"videoUrl": ",".join([f"{URL}.mp4"] * (size // 36))}


def duplicates(size: int) -> object:
    return {"urls": [URL] * (size // 36)}


def seconds(data: object) -> float:
    def once() -> float:
        started = time.perf_counter()
        callback = parse_callback({"code": 200, "taskId": "t", "data": data})
        assert 1 <= len(callback.assets) <= MAX_ASSETS
        return time.perf_counter() - started

    return min(once() for _ in range(3))


@pytest.mark.parametrize("make", [long_names, separators, joined, duplicates])
def test_a_body_eight_times_as_large_takes_about_eight_times_as_long(make: Callable[[int], Any]) -> None:
    ratio = seconds(make(TIMES * 100_000)) / seconds(make(100_000))
    print(f"\n{make.__name__}: {ratio:.1f} times as long")
    assert ratio < TIMES**2 / 2
