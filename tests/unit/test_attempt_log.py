"""The log tells of each attempt when it starts, so that one that never ends can be found."""

import socket

from structlog.testing import capture_logs

from tests.origin import Answer, Origin
from tests.unit.conftest import Clock, Sent
from tests.unit.story import GOOD, PATH, run, state
from workers.context import WorkerContext
from workers.ingest import ingest
from workers.sweep import sweep


def test_each_attempt_is_logged_when_it_starts_with_its_number_and_worker(
    context: WorkerContext, clock: Clock, sent: Sent, origin: Origin, body: str
) -> None:
    origin.serve(PATH, Answer(status=503), GOOD)
    ingest(context, body, clock())
    with capture_logs() as logs:
        run(context, sent)
        clock.advance(3600)
        sweep(context)
        run(context, sent)
    assert state(context)[0] == "archived"
    told = [entry["event"] for entry in logs if entry["event"].startswith("asset_")]
    assert told == ["asset_attempt_started", "asset_postponed", "asset_attempt_started", "asset_archived"]
    starts = [entry for entry in logs if entry["event"] == "asset_attempt_started"]
    assert [(entry["attempt"], entry["worker"]) for entry in starts] == [
        (1, socket.gethostname()),
        (2, socket.gethostname()),
    ]
