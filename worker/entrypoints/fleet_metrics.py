"""The fleet's figures for Prometheus, computed from the store when they are asked for.

The control service shows them, and every poller: an installation may have only one of the two. A
pushed worker does not, because a scrape would take its only slot on Cloud Run.
"""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from worker.jobs.errors import StoreUnavailable
from worker.ports import Clock, Fleet, JobStore

logger = logging.getLogger(__name__)

#: How far back ends are counted.
RECENT = timedelta(minutes=5)

#: Several scrapes in this time are answered from one look at the store.
CACHE_SECONDS = 10.0


class FleetMetrics:
    """Gauges of one store. Without its answer there is only ``backtest_fleet_up 0``."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._fleet: tuple[Fleet, bool] | None = None
        self._looked_at = float("-inf")

    def exposition(self) -> bytes:
        """Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Gauges(self.look()))
        return generate_latest(registry)

    def look(self) -> tuple[Fleet, bool] | None:
        """The fleet and whether it is paused; ``None`` if the store does not answer."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._looked_at >= CACHE_SECONDS:
                try:
                    self._fleet = self._store.fleet(RECENT), self._store.pause().is_on
                except StoreUnavailable as error:
                    logger.warning(
                        "no store for the fleet's figures: %s",
                        error,
                        extra={"event": "store_unavailable"},
                    )
                    self._fleet = None
                self._looked_at = now
            return self._fleet


class _Gauges(Collector):
    def __init__(self, seen: tuple[Fleet, bool] | None) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        yield _gauge("up", "Whether the store answered.", float(self._seen is not None))
        if self._seen is None:
            return
        fleet, is_paused = self._seen
        yield _by_priority(fleet)
        yield _gauge("waiting_jobs", "Jobs held back by their owner's quota.", fleet.waiting)
        yield _gauge("running_jobs", "Jobs that run.", fleet.running)
        yield _gauge("expired_leases", "Running jobs whose worker is gone.", fleet.expired_leases)
        yield _gauge(
            "oldest_queued_seconds",
            "Since when the oldest claimable job is admitted.",
            fleet.oldest_seconds,
        )
        yield _recently_ended(fleet)
        yield _gauge("paused", "Whether the kill switch is on.", float(is_paused))


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"backtest_fleet_{name}", help_text, value=value)


def _by_priority(fleet: Fleet) -> GaugeMetricFamily:
    """With a value for priority 0 always, so that an empty queue is not a missing one."""
    family = GaugeMetricFamily("backtest_fleet_queued_jobs", "Claimable jobs.", labels=["priority"])
    for priority, count in sorted({0: 0, **fleet.queued}.items()):
        family.add_metric([str(priority)], count)
    return family


def _recently_ended(fleet: Fleet) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "backtest_fleet_recently_ended_jobs",
        "Jobs that ended in the last five minutes.",
        labels=["status", "error_code"],
    )
    for (status, code), count in sorted(fleet.ended.items(), key=str):
        family.add_metric([status, code or ""], count)
    return family
