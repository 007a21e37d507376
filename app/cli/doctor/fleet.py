"""``stemvault doctor`` on the fleet: this host's clock, the workers, the clocks (beat), and the sweep."""

import time
from collections.abc import Iterator

from redis import Redis
from redis.exceptions import RedisError

from app.cli.doctor.finding import Finding
from workers.ledger.storage.scripts import redis_now
from workers.liveness.signs_of_life import SILENCE, SignsOfLife

#: Seconds by which a host's clock may differ from Redis's. Hosts that run NTP are well within that.
_MAX_SKEW = 2.0


def examine_fleet(redis: "Redis") -> Iterator[Finding]:
    """Examine clock and fleet. A finding is left out if Redis fails: ``broker`` reports that."""
    yield from _clock_skew(redis)
    yield from _processes(redis)


def _clock_skew(redis: "Redis") -> Iterator[Finding]:
    """Compare this host's clock with Redis's clock, by which the fleet counts leases and deadlines."""
    try:
        before, theirs, after = time.time(), redis_now(redis), time.time()
    except RedisError:
        return
    ahead = (before + after) / 2 - theirs
    yield Finding(
        "clock_skew",
        f"this host's time is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} Redis's",
        good=abs(ahead) <= _MAX_SKEW,
        warning=True,
        advice="The ingress and S3 check signatures by their own clocks. Synchronize the hosts, for example by NTP.",
    )


def _processes(redis: "Redis") -> Iterator[Finding]:
    """Look for workers and clocks. They may be started later, so it is a warning if there are none."""
    try:
        fleet = SignsOfLife(redis).fleet()
    except RedisError:
        return
    yield Finding(
        "workers",
        f"workers running: {fleet.workers}",
        good=bool(fleet.workers),
        warning=True,
        advice="Callbacks are kept, but nothing is archived. Start a worker: celery -A workers worker",
    )
    yield Finding(
        "clocks",
        f"clocks (celery beat) running: {fleet.clocks}",
        good=bool(fleet.clocks),
        warning=True,
        advice="Nothing that failed is tried again. Start a clock: celery -A workers beat",
    )
    if fleet.workers and fleet.clocks:
        yield _sweep(fleet.since_sweep)


def _sweep(since: float | None) -> Finding:
    """Judge the time since the last sweep, in seconds; None if there was none within the last hour."""
    recent = since is not None and since < SILENCE
    ago = "in the last hour" if since is None else f"for {since:.0f} s"
    return Finding(
        "sweep",
        "the sweep runs" if recent else f"the sweep has not run {ago}",
        good=recent,
        warning=True,
        advice="No worker finishes the sweep, which retries assets. Check that workers and clocks use the same Redis, "
        "then look for errors in the workers' logs.",
    )
