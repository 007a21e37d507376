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
from workers.heartbeats import Heartbeats
from workers.ledger import Ledger
from workers.parts import Buffers
from workers.received import ReceivedCallbacks
from workers.room import Room
from workers.s3_client import open_client, open_pool
from workers.store import Store
from workers.tickets import Tickets


def open_redis(url: str, *, timeout: float = 10, connect_timeout: float = 5) -> "Redis":
    """Connect to Redis with bounded waits (seconds), so that a dead server is an error and not a hang."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=connect_timeout,
        health_check_interval=30,
    )


@dataclass(frozen=True)
class Vault:
    """The parts that the stories ``ingest``, ``archive`` and ``sweep`` are told with."""

    settings: Settings
    ledger: Ledger
    store: Store
    session: requests.Session
    tickets: Tickets
    received: ReceivedCallbacks
    buffers: Buffers
    heartbeats: Heartbeats
    now: Callable[[], float]
    """Unix seconds by Redis's clock, which all hosts share; raises redis-py's errors."""
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    """Gives numbers in [0, 1)."""
    fullness: Callable[[], float] = lambda: 0.0
    """Tells which share of its memory Redis uses; raises redis-py's errors."""
    must_stop: Callable[[], bool] = lambda: False
    """Tells whether this worker must end now and hand back what it holds."""
    token: Callable[[], str] = field(default=lambda: uuid4().hex)
    """Makes an owner's token, different every time."""


def open_vault(
    settings: Settings,
    *,
    must_stop: Callable[[], bool] = lambda: False,
) -> Vault:
    """Open every client that the settings name. Nothing is connected to yet."""
    ledger = open_ledger(settings)
    return Vault(
        settings=settings,
        ledger=ledger,
        store=open_store(settings),
        session=open_session(settings),
        tickets=Tickets(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        buffers=Buffers(settings.part_bytes),
        heartbeats=Heartbeats(ledger, longest=settings.transfer_timeout + settings.lease),
        now=ledger.now,
        fullness=Room(ledger.redis, settings.redis_max_bytes).fullness,
        must_stop=must_stop,
    )


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger that the settings name."""
    redis = open_redis(settings.redis_url.get_secret_value())
    return Ledger(redis, lease_seconds=settings.lease, urgent_window=settings.urgent_window)


def open_store(settings: Settings) -> Store:
    """Open the bucket that the settings name."""
    pool = open_pool()
    # A body is sent twice at most: directly and then once by boto3, or twice by boto3, which pauses by itself.
    return Store(
        open_client(),
        settings.s3_bucket,
        pool,
        bodies=open_client(attempts=1 if pool else 2),
        probe_key=settings.layout.probe_key(uuid4().hex),
        upload_args=settings.s3_upload_args,
    )
