"""``stemvault doctor`` on the fleet: this host's clock, the workers, the clocks (beat), the sweep, and the polls."""

import math
import time
from collections.abc import Iterator

from redis import Redis
from redis.exceptions import RedisError

from app.cli.backfill.pauses import described
from app.cli.doctor.finding import Finding
from config.settings import PREFIX
from workers.dispatch.queues import POLLS
from workers.ledger.storage.scripts import redis_now
from workers.liveness.signs_of_life import POLL, SILENCE, SignsOfLife
from workers.watching.turns import Turns
from workers.watching.watches import Watches

#: Seconds by which a host's clock may differ from Redis's. Hosts that run NTP are well within that.
_MAX_SKEW = 2.0
#: Seconds for which a watched task may be due while no worker is woken for it. The sweep wakes one every 5 seconds, but
#: all of a worker's processes can be busy.
_MAX_OVERDUE = 300.0


def examine_fleet(redis: "Redis") -> Iterator[Finding]:
    """Examine clock and fleet. A finding is left out if Redis fails: ``broker`` reports that."""
    yield from _clock_skew(redis)
    yield from _processes(redis)
    yield from _polls(redis)
    yield from _pauses(redis)


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


def _polls(redis: "Redis") -> Iterator[Finding]:
    """Check that workers are woken for the watched tasks that are due, and can ask the provider.

    How long a task is overdue does not tell that: at the fleet's rate, thousands that became due at once take hours.
    """
    try:
        first = Watches(redis, Turns(redis)).next_ones(1)
        since, now = SignsOfLife(redis).since(POLL), redis_now(redis)
    except RedisError:
        return
    if not first:
        return
    overdue = now - first[0][1]
    good = min(overdue, math.inf if since is None else since) <= _MAX_OVERDUE
    late = f"watched tasks have been due for up to {overdue / 60:.0f} min, and no worker asks about them"
    yield Finding(
        "watched_tasks",
        "watched tasks are asked about" if good else late,
        good=good,
        warning=True,
        advice=f"No worker asks the provider. Start the workers without -Q, or name the queue {POLLS!r} in it too. "
        f"Set {PREFIX}PROVIDER_BASE_URL and {PREFIX}PROVIDER_API_KEY for them.",
    )


def _pauses(redis: "Redis") -> Iterator[Finding]:
    """Tell of each key with which workers do not ask the provider at present; it need not be the key of this host."""
    try:
        pauses = Turns(redis).pauses()
    except RedisError:
        return
    for pause in pauses:
        yield Finding(
            "provider_paused",
            "workers ask the provider",
            good=False,
            warning=True,
            advice=f"They do not at present: {described(pause)}. "
            "After a wrong key, correct it for the workers and restart them.",
            value=pause.reason,
        )
