"""What a worker process holds: settings, and one of each client, opened once after the fork."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import requests

from config.settings import Settings
from workers.bucket.store import Store
from workers.connections.hard_end import never
from workers.dispatch.wake_ups import WakeUps
from workers.intake.fullness import Room
from workers.intake.received import ReceivedCallbacks
from workers.ledger.connection import open_ledger
from workers.ledger.ledger import Ledger
from workers.liveness.heartbeats import Heartbeats
from workers.s3.client import open_client, open_pool
from workers.source.egress import open_session
from workers.transfer.capacity import Capacity
from workers.transfer.memory import TransferMemory

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class Clients(NamedTuple):
    """The clients of a process for S3: for everything, and for bodies, which are sent twice at most."""

    all: "S3Client"
    bodies: "S3Client"


@dataclass(frozen=True)
class WorkerContext:
    """The parts that the stories ``ingest``, ``archive`` and ``sweep`` are told with."""

    settings: Settings
    ledger: Ledger
    store: Store
    session: requests.Session
    wake_ups: WakeUps
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
    must_stop: Callable[[], bool] = never
    """Tells whether this worker must end now and hand back what it holds."""
    is_ending: Callable[[], bool] = never
    """Tells whether this worker takes up nothing new, as it is about to end."""
    capacity: Capacity = field(default_factory=Capacity)
    token: Callable[[], str] = field(default=lambda: uuid4().hex)
    """Makes an owner's token, different every time."""


def open_context(
    settings: Settings,
    *,
    processes: int = 1,
    clients: Clients | None = None,
    must_stop: Callable[[], bool] = never,
    is_ending: Callable[[], bool] = never,
) -> WorkerContext:
    """Open every client that the settings name, for one of so many processes. Nothing is connected to yet."""
    ledger = open_ledger(settings)
    capacity = Capacity.of(settings, processes)
    return WorkerContext(
        settings=settings,
        ledger=ledger,
        store=open_store(settings, at_once=capacity.at_once, clients=clients, must_stop=must_stop),
        session=open_session(settings, at_once=capacity.at_once),
        wake_ups=WakeUps(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        memory=TransferMemory(capacity.memory, settings.part_bytes, least=capacity.least_part),
        heartbeats=Heartbeats(ledger, longest=settings.transfer_timeout + settings.lease),
        now=ledger.now,
        fullness=Room(ledger.redis, settings.redis_max_bytes).fullness,
        must_stop=must_stop,
        is_ending=is_ending,
        capacity=capacity,
    )


def open_store(
    settings: Settings,
    *,
    at_once: int = 10,
    clients: Clients | None = None,
    must_stop: Callable[[], bool] = never,
) -> Store:
    """Open the bucket that the settings name, for so many threads at once."""
    clients = clients or open_clients(at_once)
    return Store(
        clients.all,
        settings.s3_bucket,
        open_pool(at_once),
        bodies=clients.bodies,
        probe_key=settings.layout.probe_key(uuid4().hex),
        upload_args=settings.s3_upload_args,
        must_stop=must_stop,
    )


def open_clients(at_once: int) -> Clients:
    """Make the clients. Made before a fork, and not used there, processes share most of their memory.

    A body is sent directly and then once by boto3, or twice by boto3, which pauses by itself.
    """
    return Clients(open_client(at_once=at_once), open_client(attempts=1 if open_pool() else 2, at_once=at_once))
