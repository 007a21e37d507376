"""What a worker process holds: settings, and one of each client, opened once after the fork."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import requests
from redis import Redis

from config.settings import Settings
from workers.egress import open_session
from workers.ledger import Ledger
from workers.store import Store, open_client

#: (task id, asset name, queue) → sent
Send = Callable[[str, str, str], object]


def open_redis(url: str) -> "Redis":
    """Connect to Redis with bounded waits, so that a dead server is an error and not a hang."""
    return Redis.from_url(
        url, decode_responses=True, socket_timeout=10, socket_connect_timeout=5, health_check_interval=30
    )


@dataclass(frozen=True)
class Vault:
    """The parts that the stories ``ingest``, ``archive`` and ``sweep`` are told with."""

    settings: Settings
    ledger: Ledger
    store: Store
    session: requests.Session
    send: Send
    """Sends an asset to a Celery queue."""
    now: Callable[[], float] = time.time
    """Unix seconds."""
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    """Gives numbers in [0, 1)."""
    token: Callable[[], str] = field(default=lambda: uuid4().hex)
    """Makes an owner's token, different every time."""


def open_vault(settings: Settings, send: Send) -> Vault:
    """Open every client that the settings name. Nothing is connected to yet."""
    return Vault(
        settings=settings,
        ledger=Ledger(open_redis(settings.redis_url.get_secret_value())),
        store=Store(open_client(), settings.s3_bucket),
        session=open_session(settings),
        send=send,
    )
