"""How much load a fault meets: numbers by scale, and callbacks that keep coming."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.chaos.town import Town
from workers.liveness.repeating import repeating


def scaled(number: int, scale: float, *, least: int = 1) -> int:
    """Give the number at this scale, at least ``least``."""
    return max(least, round(number * scale))


@contextmanager
def under_load(town: Town, pause: float = 0.05) -> Iterator[None]:
    """Deliver callbacks by three connections until the block ends, with ``pause`` seconds between two of each."""
    with ExitStack() as callers:
        for _ in range(3):
            callers.enter_context(repeating(lambda: town.call(1), every=pause))
        yield
