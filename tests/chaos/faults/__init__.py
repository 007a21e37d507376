"""Every fault by its name: a function of a town and a scale, which gives the row of what the fault has cost.

Scale 1 is what ``make chaos`` runs; ``make test`` runs the same at scale 0.1. Each row says how many seconds recovery
may take (``within``).
"""

from collections.abc import Callable

from tests.chaos.faults.broker import (
    ingress_restarted_without_redis,
    redis_emptied,
    redis_frozen,
    redis_full,
    redis_killed,
)
from tests.chaos.faults.hosts import clock_ahead, two_versions
from tests.chaos.faults.polling import backfill_killed, polling
from tests.chaos.faults.processes import (
    beat_killed,
    carrying_process_killed,
    gunicorn_workers_killed,
    pool_process_dies,
    worker_killed,
    worker_told_to_end,
)
from tests.chaos.faults.sources import origin_misbehaves, sources_never_end, urgent_behind_backlog
from tests.chaos.faults.stores import bucket_in_mood
from tests.chaos.town import Row, Town

Fault = Callable[[Town, float], Row]

FAULTS: dict[str, Fault] = {
    "worker_killed": worker_killed,
    "worker_told_to_end": worker_told_to_end,
    "carrying_process_killed": carrying_process_killed,
    "sources_never_end": sources_never_end,
    "pool_process_dies": pool_process_dies,
    "beat_killed": beat_killed,
    "gunicorn_workers_killed": gunicorn_workers_killed,
    "redis_killed": redis_killed,
    "redis_frozen": redis_frozen,
    "redis_emptied": redis_emptied,
    "ingress_restarted_without_redis": ingress_restarted_without_redis,
    "clock_ahead": clock_ahead,
    "two_versions": two_versions,
    "redis_full": redis_full,
    "bucket_unavailable": bucket_in_mood("unavailable", "S3 answers 503", 60, within=75),
    "bucket_slow": bucket_in_mood("slow", "S3 is slow", 30, within=30),
    "bucket_resets": bucket_in_mood("reset", "S3 resets connections in mid-part", 30, within=75),
    "bucket_forbidden": bucket_in_mood("forbidden", "S3 credentials wrong, then right", 30, within=75),
    "origin_misbehaves": origin_misbehaves,
    "urgent_behind_backlog": urgent_behind_backlog,
    "polling": polling,
    "backfill_killed": backfill_killed,
}
