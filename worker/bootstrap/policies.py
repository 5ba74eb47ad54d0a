"""What the settings mean to the services: limits, policies, which jobs are wanted."""

from datetime import timedelta

import engine
from engine.sweeps.processors import processors
from worker.jobs.lanes import Rollout
from worker.ports import Wanted
from worker.services.admission import AdmissionPolicy
from worker.services.draining import DrainLimits
from worker.services.quotas import QuotaLimits
from worker.services.run_job import RunLimits
from worker.settings import OVERHEAD_SECONDS, Settings


def admission_policy(settings: Settings) -> AdmissionPolicy:
    """What these settings admit."""
    own = engine.SUPPORTED_ENGINE_VERSIONS
    return AdmissionPolicy(
        current_version=engine.ENGINE_VERSION,
        own_versions=own,
        accepted_versions=settings.engine_versions or own,
        max_priority=settings.client_priority_limit,
        max_timeout_seconds=settings.job_timeout_seconds,
        ageing_seconds=settings.ageing_seconds,
        rollout=Rollout(
            lane=settings.lane,
            rest=settings.rollout_rest,
            percent=settings.rollout_percent,
            users=frozenset(settings.rollout_users),
        ),
        quotas=QuotaLimits(
            queued=settings.quota("max_queued_per_user"),
            running=settings.quota("max_running_per_user"),
            bars_a_day=settings.quota("max_bars_per_day"),
        ),
    )


def wanted_jobs(settings: Settings) -> Wanted:
    """The queued jobs that a worker of this installation may claim."""
    return Wanted(lane=settings.lane, engine_versions=engine.SUPPORTED_ENGINE_VERSIONS)


def run_limits(settings: Settings) -> RunLimits:
    """How long a job and its parts may take."""
    return RunLimits(
        heartbeat=settings.heartbeat_seconds,
        lease=settings.lease_seconds,
        timeout=settings.job_timeout_seconds,
        shutdown_grace=settings.shutdown_seconds / 2,
    )


def drain_limits(settings: Settings) -> DrainLimits:
    """How long after its ring a job may still be claimed. Half of the overhead is for waiting, so
    that a ring finds time for a job however tight the other settings are.
    """
    spare = settings.ack_deadline_seconds - settings.job_timeout_seconds - OVERHEAD_SECONDS / 2
    return DrainLimits(first=spare, further=settings.drain_seconds)


def sweep_threads(settings: Settings, *, polls: bool) -> int:
    """How many processors a chunk of a bundle may use: a poller's jobs share them."""
    jobs = settings.max_concurrent_backtests if polls else 1
    return max(1, processors() // jobs)


def retention(settings: Settings) -> timedelta | None:
    """How long ended jobs are kept; ``None`` for ever."""
    days = settings.retention_days
    return None if days is None else timedelta(days=days)
