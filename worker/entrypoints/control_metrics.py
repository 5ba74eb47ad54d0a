"""What the control service counts about its own work."""

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from worker.services.sweep.sweeping import Swept

CONTENT_TYPE = CONTENT_TYPE_LATEST


class ControlMetrics:
    """Counters of one app; each app has its own registry, so that tests can make many."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._events = Counter(
            "backtest_control_events",
            "Firestore events by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._submissions = Counter(
            "backtest_control_submissions",
            "Jobs submitted over HTTP by what became of them.",
            ["outcome"],
            registry=self._registry,
        )
        self._failed_rings = Counter(
            "backtest_control_failed_rings",
            "Doorbell messages that could not be published after a job was admitted.",
            registry=self._registry,
        )

        self._swept = Counter(
            "backtest_control_swept",
            "Jobs that sweeps acted on, and rings they rang, by maintenance job.",
            ["step"],
            registry=self._registry,
        )
        self._failed_steps = Counter(
            "backtest_control_failed_sweep_steps",
            "Maintenance jobs that broke off.",
            ["step"],
            registry=self._registry,
        )

    def event(self, outcome: str) -> None:
        self._events.labels(outcome).inc()
        if outcome == "doorbell_unavailable":
            self._failed_rings.inc()

    def submission(self, outcome: str) -> None:
        self._submissions.labels(outcome).inc()

    def swept(self, swept: Swept) -> None:
        for step, count in swept.done.items():
            self._swept.labels(step).inc(count)
        for step in swept.failed:
            self._failed_steps.labels(step).inc()

    def ring_failed(self) -> None:
        self._failed_rings.inc()

    def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
