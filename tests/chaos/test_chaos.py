"""The bad days in miniature; ``make chaos`` has them at full size."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.town import Row, running_town

#: Each fault has a town of its own, where most of the time is spent waiting.
AT_A_TIME = 3


Played = tuple[Row, int, str]


def play(name: str) -> Played:
    """Give what a fault has cost, how many assets were promised, and what to read if it has cost too much."""
    with running_town() as town:
        row = FAULTS[name](town, 0.1)
        evidence = "" if row.good else f"{town.missing()[:5]} {town.stack.process('worker').tail(5)}"
        return row, len(town.promised), evidence


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Played]]]:
    """Begin with all faults that this run asks for."""
    wanted = [item.name.partition("[")[2].rstrip("]") for item in request.session.items]
    with ThreadPoolExecutor(AT_A_TIME) as towns:
        yield {name: towns.submit(play, name) for name in FAULTS if name in wanted}
        towns.shutdown(cancel_futures=True)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_stored_twice_or_left_behind(name: str, played: dict[str, Future[Played]]) -> None:
    row, promised, evidence = played[name].result()
    assert row.good, (row, evidence)
    assert row.acknowledged > 0
    assert row.stored == promised > 0
