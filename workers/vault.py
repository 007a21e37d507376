"""What a worker process holds: settings, and one of each client, opened once after the fork."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

import requests
from redis import Redis

from config.settings import Settings
from workers.capacity import Capacity
from workers.egress import open_session
from workers.heartbeats import Heartbeats
from workers.ledger import Ledger
from workers.memory import TransferMemory
from workers.received import ReceivedCallbacks
from workers.room import Room
from workers.store import Store, open_client, open_pool
from workers.tickets import Tickets

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


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
    memory: TransferMemory
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
    is_ending: Callable[[], bool] = lambda: False
    """Tells whether this worker takes up nothing new, as it is about to end."""
    capacity: Capacity = field(default_factory=Capacity)
    token: Callable[[], str] = field(default=lambda: uuid4().hex)
    """Makes an owner's token, different every time."""


def open_vault(
    settings: Settings,
    *,
    processes: int = 1,
    must_stop: Callable[[], bool] = lambda: False,
    is_ending: Callable[[], bool] = lambda: False,
) -> Vault:
    """Open every client that the settings name, for one of so many processes. Nothing is connected to yet."""
    ledger = open_ledger(settings)
    capacity = Capacity.of(settings, processes)
    return Vault(
        settings=settings,
        ledger=ledger,
        store=open_store(settings, at_once=capacity.at_once),
        session=open_session(settings, at_once=capacity.at_once),
        tickets=Tickets(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        memory=TransferMemory(capacity.memory, settings.part_bytes, least=capacity.least_part),
        heartbeats=Heartbeats(ledger, longest=settings.transfer_timeout + settings.lease),
        now=ledger.now,
        fullness=Room(ledger.redis, settings.redis_max_bytes).fullness,
        must_stop=must_stop,
        is_ending=is_ending,
        capacity=capacity,
    )


def open_ledger(settings: Settings) -> Ledger:
    """Open the ledger that the settings name."""
    redis = open_redis(settings.redis_url.get_secret_value())
    return Ledger(redis, lease_seconds=settings.lease, urgent_window=settings.urgent_window)


def open_store(settings: Settings, *, at_once: int = 10) -> Store:
    """Open the bucket that the settings name, for so many threads at once."""
    return Store(client_for(at_once), settings.s3_bucket, open_pool(at_once))


@cache
def client_for(at_once: int) -> "S3Client":
    """Make the S3 client once. Made before a fork, and not used there, processes share most of its memory."""
    return open_client(at_once=at_once)
