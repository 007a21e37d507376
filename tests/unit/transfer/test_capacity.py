"""A process raises its limit of open files to what its transfers need."""

import json
import subprocess
import sys

import pytest

_LIMITED = """
import resource, sys
from config.logging import log_all_output
from workers.transfer.capacity import Capacity, make_room_for_descriptors
log_all_output("info")
resource.setrlimit(resource.RLIMIT_NOFILE, (100, int(sys.argv[1])))
make_room_for_descriptors(Capacity(at_once=32))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(most: str) -> tuple[int, list[str]]:
    """Return the limit of open files of a process with 32 transfers, and the events that it logged."""
    done = subprocess.run([sys.executable, "-c", _LIMITED, most], capture_output=True, text=True, check=True)
    events = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    return int(events.pop()["event"]), [event["event"] for event in events]


@pytest.mark.slow
@pytest.mark.parametrize(("most", "limit", "events"), [("1024", 544, []), ("300", 300, ["open_files_limited"])])
def test_a_process_may_open_what_its_transfers_need_or_says_that_it_may_not(
    most: str, limit: int, events: list[str]
) -> None:
    assert limited(most) == (limit, events)
