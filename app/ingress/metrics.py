"""``/metrics``: numbers from Redis for Prometheus. Every ingress process gives the same ones."""

from collections.abc import Iterable, Iterator, Mapping

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from workers.dispatch.queues import QUEUES
from workers.dispatch.wake_ups import WakeUps
from workers.intake.fullness import RedisMemory
from workers.intake.received import ReceivedCallbacks
from workers.ledger.ledger import Ledger
from workers.liveness.signs_of_life import SignsOfLife
from workers.watching.turns import Pause, Turns
from workers.watching.watches import Watches

log = structlog.get_logger()


class LedgerCollector(Collector):
    """Reads counters, queues and timers at each scrape. Without Redis, ``stemvault_up 0`` is all that it gives."""

    def __init__(self, redis: "Redis", limit: int | None) -> None:
        self._ledger = Ledger(redis)
        self._received = ReceivedCallbacks(redis)
        self._wake_ups = WakeUps(redis)
        self._signs = SignsOfLife(redis)
        self._watches = Watches(redis, Turns(redis))
        self._fullness = RedisMemory(redis, limit).fullness

    def collect(self) -> Iterable[Metric]:
        """Read all metrics from Redis."""
        try:
            metrics = [*self._gauges(), *_counters(self._ledger.counters())]
        except RedisError as error:
            log.warning("metrics_unavailable", error=type(error).__name__)
            yield _up(0)
            return
        yield _up(1)
        yield from metrics

    def _gauges(self) -> Iterator[Metric]:
        fleet = self._signs.fleet()
        yield _gauge("stemvault_alarms", "Assets and manifests that need another step", self._ledger.in_flight())
        yield _gauge("stemvault_received", "Acknowledged callbacks that are not recorded yet", self._received.waiting())
        yield _gauge("stemvault_workers", "Workers that have given a sign of life", fleet.workers)
        yield _gauge("stemvault_clocks", "Clocks (beat) that have given a sign of life", fleet.clocks)
        yield _gauge(
            "stemvault_seconds_since_sweep", "Seconds since the last sweep, absent after an hour", fleet.since_sweep
        )
        yield _gauge(
            "stemvault_broker_fullness", "Fraction of its memory that Redis uses, 0 without a limit", self._fullness()
        )
        yield _gauge("stemvault_watched_tasks", "Tasks about which the provider is asked", self._watches.number())
        yield _paused(self._watches.turns.pauses())
        yield _gauge("stemvault_transfers", "Assets that workers transfer now", self._ledger.transferring())
        yield _gauge_by_queue("stemvault_assets_waiting", "Assets that wait for a worker", self._ledger.ready())
        yield _gauge_by_queue(
            "stemvault_queue_length", "Messages waiting", {queue: self._wake_ups.waiting(queue) for queue in QUEUES}
        )


def _up(value: int) -> Metric:
    return _gauge("stemvault_up", "Whether the ledger could be read", value)


def _gauge(name: str, description: str, value: float | None) -> Metric:
    """Make a gauge; without a value it has no sample."""
    gauge = GaugeMetricFamily(name, description)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _paused(pauses: Iterable[Pause]) -> Metric:
    """Make the gauge of the provider's pauses: 1 for each reason, or 0 without one."""
    gauge = GaugeMetricFamily("stemvault_provider_paused", "Whether the provider is not asked", labels=["reason"])
    for reason in sorted({pause.reason for pause in pauses}) or [""]:
        gauge.add_metric([reason], 1 if reason else 0)
    return gauge


def _gauge_by_queue(name: str, description: str, values: Mapping[str, int]) -> Metric:
    gauge = GaugeMetricFamily(name, description, labels=["queue"])
    for queue, value in values.items():
        gauge.add_metric([queue], value)
    return gauge


def _counters(counters: dict[str, int]) -> Iterable[Metric]:
    callbacks = CounterMetricFamily("stemvault_callbacks", "Callbacks recorded", labels=["family", "stage"])
    assets = CounterMetricFamily("stemvault_assets", "Assets settled", labels=["state", "reason"])
    refusals = CounterMetricFamily("stemvault_refusals", "Requests refused", labels=["status", "reason"])
    short = CounterMetricFamily("stemvault_short_audio", "Archived audio that is shorter than announced", labels=[])
    watches = CounterMetricFamily("stemvault_watches", "Watches that have ended", labels=["outcome", "reason"])
    families = {
        "callbacks": callbacks,
        "assets": assets,
        "refusals": refusals,
        "short_audio": short,
        "watches": watches,
    }
    for name, value in sorted(counters.items()):
        family, *labels = name.split("|")
        if family == "short_audio":
            labels = [label for label in labels if label]
        if family in families:
            families[family].add_metric(labels, value)
    yield from families.values()
