"""Each fault at a tenth of the scale; ``make chaos`` runs them at full scale."""

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.embedded.stack import embedded_stack
from tests.chaos.faults import FAULTS
from tests.chaos.town import Row, Town, running_town
from tests.conftest import eventually
from tests.origin import running_origin
from tests.s3proxy import Bucket
from workers.intake.received import ReceivedCallbacks

#: Each fault has a town of its own, and mostly waits.
AT_A_TIME = 3


Played = tuple[Row, int, str]


def play(name: str) -> Played:
    """Run a fault. Give its row, the number of promised assets, and a log's end if the row is not good."""
    with running_town() as town:
        row = FAULTS[name](town, 0.1)
        evidence = "" if row.good else f"{town.missing()[:5]} {town.stack.process('worker').tail(5)}"
        return row, len(town.promised), evidence


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Played]]]:
    """Start all faults that this run selects."""
    wanted = [item.name.partition("[")[2].rstrip("]") for item in request.session.items]
    with ThreadPoolExecutor(AT_A_TIME) as towns:
        yield {name: towns.submit(play, name) for name in FAULTS if name in wanted}
        towns.shutdown(cancel_futures=True)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", FAULTS)
def test_the_fleet_recovers_from_each_fault_in_time_and_stores_every_promised_asset_once(
    name: str, played: dict[str, Future[Played]]
) -> None:
    row, promised, evidence = played[name].result()
    assert row.good, (row, evidence)
    assert row.acknowledged > 0
    assert row.stored == promised > 0


def test_a_fleet_that_finishes_its_work_too_late_or_never_fails_its_judgement() -> None:
    with running_origin() as origin, embedded_stack({}) as stack:
        stack.start_redis()
        stack.start_s3()
        town = Town(stack, origin, Bucket(stack.s3_port))
        received = ReceivedCallbacks(stack.redis())
        received.put("nobody takes this", time.time())
        never = town.judge("nobody works", 1, within=1)
        assert (never.good, never.recovery, never.lost) == (False, math.inf, 0)
        taken = eventually(received.take)
        too_late = threading.Timer(2.0, received.done, [taken])
        too_late.start()
        assert not town.judge("somebody works too late", 1, within=1).good
        too_late.join()
        in_time = town.judge("it is done", 1, within=5)
        assert (in_time.good, in_time.recovery < 5) == (True, True)
