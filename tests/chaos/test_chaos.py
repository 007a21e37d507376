"""The bad days in miniature; ``make chaos`` has them at full size, and two that need minutes even when small."""

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.town import running_town

#: Their recovery waits for Celery's own reconnection, and for the watchdog where that fails.
ONLY_AT_FULL_SIZE = {"redis_killed", "redis_frozen"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ONLY_AT_FULL_SIZE])
def test_nothing_is_lost_stored_twice_or_left_behind(name: str) -> None:
    with running_town() as town:
        row = FAULTS[name](town, 0.1)
        assert row.good, (row, town.missing()[:5], town.stack.process("worker").tail(5))
        assert row.acknowledged > 0
        assert row.stored == len(town.promised) > 0
