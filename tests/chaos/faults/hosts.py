"""Hosts of the fleet that differ: in their clock, or in the version that they run."""

import time

from tests.chaos.load import under_load
from tests.chaos.town import OLDER_TIMERS, Row, Town
from tests.conftest import eventually, older_version, wrong_clock
from workers.ledger.storage.keys import PREFIX, TAKEN


def clock_ahead(town: Town, scale: float) -> Row:
    """Run two workers, one with a clock that is many leases ahead: neither takes the other one's assets."""
    environment = wrong_clock(town.stack.group.directory, 90)
    town.stack.start_worker("ahead", environment=environment)
    town.pause = 0.4
    with under_load(town, 0.3):
        eventually(lambda: town.ledger.redis.hlen(TAKEN) > 8)
        time.sleep(max(10.0, 60 * scale))
    row = town.judge("one worker's clock 90 s ahead", 1, within=90)
    for name in ("worker", "ahead"):
        log = town.stack.process(name).log.read_text()
        assert "asset_archived" in log, f"{name} archived nothing"
        assert "lease_lost" not in log, f"{name} lost a lease"
    return row


def two_versions(town: Town, scale: float) -> Row:
    """Deploy over a fleet of the older version; both versions run for a while."""
    newer = town.stack.group.environment
    town.stack.group.environment = {**newer, **older_version(town.stack.group.directory)}
    for name in ("ingress", "beat"):
        town.stack.restart(name)
    town.stack.group.processes.remove(worker := town.stack.process("worker"))
    worker.stop(30)
    town.stack.group.start("worker", [*town.stack.celery(), "worker"])
    town.pause = 0.4
    with under_load(town, 0.3):
        eventually(lambda: town.ledger.redis.zcard(OLDER_TIMERS) > 2)
        assert town.ledger.redis.keys(PREFIX + "*") == [], "the newer version runs already"
        town.stack.group.environment = newer
        town.stack.start_worker("newer")
        time.sleep(max(4.0, 20 * scale))
        for name in ("ingress", "beat"):
            town.stack.restart(name)
        time.sleep(max(4.0, 20 * scale))
        town.stack.group.processes.remove(older := town.stack.process("worker"))
        older.kill()  # its assets are adopted when its leases have expired
    town.pause = 0.0
    row = town.judge("an older and a newer version on one Redis", 1, within=60)
    assert "older_record_adopted" in town.stack.process("newer").log.read_text()
    assert town.untold() == [], "a manifest lacks an archived asset"
    return row
