"""Connects to Redis and opens the ledger in it. Ingress, workers and command line share these functions."""

from redis import Redis

from config.settings import Settings
from workers.ledger.ledger import Ledger


def open_redis(url: str, *, timeout: float = 10, connect_timeout: float = 5) -> "Redis":
    """Make a Redis client whose waits are bounded (seconds), so that a dead server is an error and not a hang."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=connect_timeout,
        health_check_interval=30,
    )


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger that the settings name. Nothing is connected to yet."""
    redis = open_redis(settings.redis_url.get_secret_value())
    return Ledger(redis, lease_seconds=settings.lease, urgent_window=settings.urgent_window)
