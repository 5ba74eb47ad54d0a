"""What a worker counts, for Prometheus. No job, user or symbol is ever a label."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

import engine
from worker.jobs.job import Job
from worker.jobs.states import JobStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST

_CLAIM_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_GAP_BUCKETS = (1, 5, 15, 30, 45, 60, 75, 90)
_RUN_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 540)
_WAIT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43200)


class Telemetry:
    """The worker's metrics in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._running = Gauge(
            "backtest_running_jobs",
            "Jobs that this worker runs now.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._ended = Counter(
            "backtest_jobs_ended",
            "Attempts that this worker ended, by the status it wrote.",
            ["status", "error_code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "backtest_job_seconds",
            "From claim to end of an attempt.",
            registry=self._registry,
            buckets=_RUN_BUCKETS,
        )
        self._wait = Histogram(
            "backtest_queue_wait_seconds",
            "From admission to claim.",
            registry=self._registry,
            buckets=_WAIT_BUCKETS,
        )
        self._claims = Counter(
            "backtest_claims", "Jobs that this worker took.", registry=self._registry
        )
        self._claim_seconds = Histogram(
            "backtest_claim_seconds",
            "From the question for a job to its claim.",
            registry=self._registry,
            buckets=_CLAIM_BUCKETS,
        )
        self._beat_gaps = Histogram(
            "backtest_heartbeat_gap_seconds",
            "From one confirmed beat of a running job, or its claim, to the next.",
            registry=self._registry,
            buckets=_GAP_BUCKETS,
        )
        self._swept = Counter(
            "backtest_swept",
            "Jobs that this worker's own sweeps acted on, and rings they rang, by maintenance job.",
            ["step"],
            registry=self._registry,
        )
        self._failed_steps = Counter(
            "backtest_failed_sweep_steps",
            "Maintenance jobs of this worker's own sweeps that broke off.",
            ["step"],
            registry=self._registry,
        )
        build = Gauge(
            "backtest_build_info",
            "Always 1; the labels say what runs.",
            ["version", "engine_version"],
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        build.labels(version("backtest-worker"), engine.ENGINE_VERSION).set(1)
        self._last_beat = time.monotonic()
        self._lost = Counter(
            "backtest_leases_lost", "Attempts that lost their lease.", registry=self._registry
        )
        self._beats = Counter(
            "backtest_heartbeats",
            "Beats of running jobs that the store confirmed.",
            registry=self._registry,
        )
        self._pushes = Counter(
            "backtest_pushes",
            "Push deliveries by what became of them.",
            ["outcome"],
            registry=self._registry,
        )

    def job_started(self, job: Job, claimed_at: datetime, claim_seconds: float) -> None:
        """A claim succeeded; ``claimed_at`` is the store's clock."""
        self._claims.inc()
        self._claim_seconds.observe(claim_seconds)
        self._last_beat = time.monotonic()
        self._running.inc()
        if job.admitted_at is not None:
            self._wait.observe(max(0.0, (claimed_at - job.admitted_at).total_seconds()))

    def job_left(self) -> None:
        """The job that started is not running here any more."""
        self._running.dec()

    def job_ended(self, job: Job, seconds: float) -> None:
        """An attempt's end is written; a job back in the queue counts as released."""
        status = "released" if job.status is JobStatus.QUEUED else job.status
        self._ended.labels(status, job.error_code or "").inc()
        self._seconds.observe(seconds)

    def beat(self) -> None:
        """The store has confirmed one."""
        self._beats.inc()
        now = time.monotonic()
        self._beat_gaps.observe(now - self._last_beat)
        self._last_beat = now

    def swept(self, done: Mapping[str, int], failed: Iterable[str] = ()) -> None:
        """A sweep of this process: what its steps did, and the names of those that broke off."""
        for step, count in done.items():
            self._swept.labels(step).inc(count)
        for step in failed:
            self._failed_steps.labels(step).inc()

    def lease_lost(self) -> None:
        self._lost.inc()

    def pushed(self, outcome: str) -> None:
        """One push delivery: ``done``, ``malformed``, ``unavailable``."""
        self._pushes.labels(outcome).inc()

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class SharedTelemetry:
    """What several processes have counted, each in files of ``directory``.

    They write there if PROMETHEUS_MULTIPROC_DIR names it when they start.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._registry = CollectorRegistry()
        MultiProcessCollector(self._registry, path=directory)  # type: ignore[no-untyped-call]  # theirs

    def forget(self, process_id: int) -> None:
        """The process has ended: what it counted stays, what it was doing does not."""
        mark_process_dead(process_id, self._directory)  # type: ignore[no-untyped-call]  # theirs

    def exposition(self) -> bytes:
        """The sums in Prometheus' text format."""
        return generate_latest(self._registry)
