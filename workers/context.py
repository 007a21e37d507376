"""The worker's context: the settings and one of each client. A worker opens it once, before it forks its processes."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import requests

from config.settings import Settings
from workers.bucket.store import Store
from workers.connections.attempt import never
from workers.dispatch.wake_ups import WakeUps
from workers.intake.fullness import RedisMemory
from workers.intake.received import ReceivedCallbacks
from workers.ledger.connection import open_ledger
from workers.ledger.ledger import Ledger
from workers.liveness.heartbeats import Heartbeats
from workers.provider.client import ProviderClient
from workers.s3.boto import create_with_boto3
from workers.s3.client import open_client, open_pool
from workers.source.egress import open_session
from workers.transfer.capacity import Capacity
from workers.transfer.memory import TransferMemory
from workers.watching.watches import Watches, open_watches


@dataclass(frozen=True)
class WorkerContext:
    """Everything that the stories use: settings, clients, clocks and random numbers.

    Clocks and random numbers are functions, so that a test of day 15 takes a millisecond.
    """

    settings: Settings
    ledger: Ledger
    """The records of tasks and assets in Redis, and their timers."""
    store: Store
    """The bucket."""
    session: requests.Session
    """The HTTP session for sources, which refuses addresses inside our own network."""
    wake_ups: WakeUps
    """The Celery queues with wake-up messages."""
    received: ReceivedCallbacks
    """The callbacks in Redis that are acknowledged and not recorded."""
    watches: Watches
    """The tasks about which the provider is asked."""
    memory: TransferMemory
    """The budget for the buffers of this process's transfers."""
    heartbeats: Heartbeats
    """Renews the leases of the assets that this process holds."""
    now: Callable[[], float]
    """The time in unix seconds by Redis's clock, which all hosts share. Raises redis-py's errors."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds of the host's clock that never goes back, for durations."""
    random: Callable[[], float] = random.random
    """A random number in [0, 1), for the backoff's jitter."""
    fullness: Callable[[], float] = lambda: 0.0
    """The fraction of its memory that Redis uses. Raises redis-py's errors."""
    must_stop: Callable[[], bool] = never
    """Whether this worker must stop now and hand back the assets that it holds."""
    is_ending: Callable[[], bool] = never
    """Whether this worker is shutting down and takes no more assets."""
    provider: ProviderClient | None = None
    """The provider's API, or None without an address and a key of it."""
    capacity: Capacity = field(default_factory=Capacity)
    """The most transfers of this process, in all and from one source host."""
    token: Callable[[], str] = field(default=lambda: uuid4().hex)
    """A new owner's token, different at each call."""


def open_context(
    settings: Settings,
    *,
    processes: int = 1,
    must_stop: Callable[[], bool] = never,
    is_ending: Callable[[], bool] = never,
) -> WorkerContext:
    """Open the clients that the settings name, for one of ``processes``. No connection is made yet.

    If the context is opened before the fork, the processes share most of its memory. It must not be used before the
    fork: clients of boto3 would share connections.
    """
    ledger = open_ledger(settings)
    capacity = Capacity.of(settings, processes)
    return WorkerContext(
        settings=settings,
        ledger=ledger,
        store=open_store(settings, at_once=capacity.at_once, must_stop=must_stop),
        session=open_session(settings, at_once=capacity.at_once),
        wake_ups=WakeUps(ledger.redis),
        received=ReceivedCallbacks(ledger.redis),
        watches=open_watches(ledger.redis, settings),
        memory=TransferMemory(capacity.memory, settings.part_bytes, least=capacity.least_part),
        heartbeats=Heartbeats(ledger, longest=settings.transfer_timeout + settings.lease),
        now=ledger.now,
        fullness=RedisMemory(ledger.redis, settings.redis_max_bytes).fullness,
        must_stop=must_stop,
        is_ending=is_ending,
        provider=open_provider(settings),
        capacity=capacity,
    )


def open_provider(settings: Settings) -> ProviderClient | None:
    """Open the provider's API that the settings name, or give None without its address or key."""
    if not (settings.provider_base_url and settings.provider_api_key):
        return None
    return ProviderClient(settings.provider_base_url, settings.provider_api_key.get_secret_value(), at_once=8)


def open_store(settings: Settings, *, at_once: int = 10, must_stop: Callable[[], bool] = never) -> Store:
    """Open the bucket that the settings name, for ``at_once`` threads. No connection is made yet.

    A body is sent directly and then once by boto3, or, without direct requests, at most twice by boto3 with its own
    backoff.
    """
    client = partial(open_client, at_once=at_once, create=create_with_boto3)
    pool = open_pool(at_once)
    return Store(
        client(),
        settings.s3_bucket,
        pool,
        bodies=client(attempts=1 if pool else 2),
        new_probe_key=lambda: settings.layout.probe_key(uuid4().hex),
        upload_args=settings.s3_upload_args,
        must_stop=must_stop,
    )
