"""The ledger's counters for Prometheus, read from Redis: the same numbers whichever process is asked."""

from collections.abc import Iterable

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from workers.dispatch.queues import QUEUES
from workers.dispatch.wake_ups import WakeUps
from workers.intake.fullness import Room
from workers.intake.received import ReceivedCallbacks
from workers.ledger.ledger import Ledger
from workers.liveness.signs_of_life import SignsOfLife

log = structlog.get_logger()


class LedgerCollector(Collector):
    """Reads counters, queues and alarms at each scrape; without Redis it tells ``stemvault_up 0`` alone."""

    def __init__(self, redis: "Redis", limit: int | None) -> None:
        self._redis = redis
        self._ledger = Ledger(redis)
        self._received = ReceivedCallbacks(redis)
        self._wake_ups = WakeUps(redis)
        self._signs = SignsOfLife(redis)
        self._fullness = Room(redis, limit).fullness

    def collect(self) -> Iterable[Metric]:
        """Give the metrics as they stand."""
        up = GaugeMetricFamily("stemvault_up", "Whether the ledger could be read")
        timers = GaugeMetricFamily("stemvault_alarms", "Assets and manifests that need another step")
        received = GaugeMetricFamily("stemvault_received", "Acknowledged callbacks that are not recorded yet")
        workers = GaugeMetricFamily("stemvault_workers", "Workers that have given a sign of life")
        clocks = GaugeMetricFamily("stemvault_clocks", "Clocks (beat) that have given a sign of life")
        sweep = GaugeMetricFamily("stemvault_seconds_since_sweep", "Seconds since the last sweep, absent after an hour")
        fullness = GaugeMetricFamily(
            "stemvault_broker_fullness", "Share of its memory that Redis uses, 0 without a limit"
        )
        transfers = GaugeMetricFamily("stemvault_transfers", "Assets that workers have in hand")
        ready = GaugeMetricFamily("stemvault_assets_waiting", "Assets that wait for a worker", labels=["queue"])
        waiting = GaugeMetricFamily("stemvault_queue_length", "Messages waiting", labels=["queue"])
        try:
            counters = self._ledger.counters()
            timers.add_metric([], self._ledger.in_flight())
            transfers.add_metric([], self._ledger.transferring())
            for queue, number in self._ledger.ready().items():
                ready.add_metric([queue], number)
            received.add_metric([], self._received.waiting())
            fleet = self._signs.fleet()
            workers.add_metric([], fleet.workers)
            clocks.add_metric([], fleet.clocks)
            if fleet.since_sweep is not None:
                sweep.add_metric([], fleet.since_sweep)
            fullness.add_metric([], self._fullness())
            for queue in QUEUES:
                waiting.add_metric([queue], self._wake_ups.waiting(queue))
        except RedisError as error:
            log.warning("metrics_unavailable", error=type(error).__name__)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield from (
            up,
            timers,
            received,
            workers,
            clocks,
            sweep,
            fullness,
            transfers,
            ready,
            waiting,
            *_counters(counters),
        )


def _counters(counters: dict[str, int]) -> Iterable[Metric]:
    callbacks = CounterMetricFamily("stemvault_callbacks", "Callbacks recorded", labels=["family", "stage"])
    assets = CounterMetricFamily("stemvault_assets", "Assets settled", labels=["state", "reason"])
    refusals = CounterMetricFamily("stemvault_refusals", "Requests refused", labels=["status", "reason"])
    short = CounterMetricFamily("stemvault_short_audio", "Archived audio that is shorter than announced", labels=[])
    families = {"callbacks": callbacks, "assets": assets, "refusals": refusals, "short_audio": short}
    for name, value in sorted(counters.items()):
        what, *labels = name.split("|")
        if what in families:
            families[what].add_metric([label for label in labels if label] if what == "short_audio" else labels, value)
    yield from families.values()
