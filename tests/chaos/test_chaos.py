"""The bad days in miniature; ``make chaos`` has them at full size."""

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.town import running_town


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_stored_twice_or_left_behind(name: str) -> None:
    with running_town() as town:
        row = FAULTS[name](town, 0.1)
        assert row.good, (row, town.missing()[:5], town.stack.process("worker").tail(5))
        assert row.acknowledged > 0
        assert row.stored == len(town.promised) > 0
