"""Puts the application together; ``adapters`` is the only module that knows which are used."""

from worker.bootstrap.adapters import (
    build_artifacts,
    build_bell,
    build_candles,
    build_clock,
    build_doorbell,
    build_sql_store,
    build_store,
)
from worker.bootstrap.artifact_places import artifact_place, require_artifacts
from worker.bootstrap.places import Places
from worker.bootstrap.policies import (
    admission_policy,
    drain_limits,
    retention,
    run_limits,
    sweep_threads,
    wanted_jobs,
)
from worker.bootstrap.services import Services, build_services
from worker.bootstrap.sweeping import build_local_sweep, build_sweep
from worker.bootstrap.workers import Worker, build_worker, engine_calls, new_worker_id

__all__ = [
    "Places",
    "Services",
    "Worker",
    "admission_policy",
    "artifact_place",
    "build_artifacts",
    "build_bell",
    "build_candles",
    "build_clock",
    "build_doorbell",
    "build_local_sweep",
    "build_services",
    "build_sql_store",
    "build_store",
    "build_sweep",
    "build_worker",
    "drain_limits",
    "engine_calls",
    "new_worker_id",
    "require_artifacts",
    "retention",
    "run_limits",
    "sweep_threads",
    "wanted_jobs",
]
