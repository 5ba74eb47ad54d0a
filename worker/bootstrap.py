"""Puts the application together: the only module that knows which adapters are used.

Adapters are imported where they are chosen, so that a laptop never loads a cloud client.
"""

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

import engine
from worker.adapters.system_clock import SystemClock
from worker.ports import ArtifactStore, CandleLibrary, CandleSource, Clock, Doorbell, JobStore, Wanted
from worker.services.admission import Admission, AdmissionPolicy
from worker.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What entrypoints work with. ``close`` gives connections back."""

    settings: Settings
    store: JobStore
    doorbell: Doorbell
    candles: CandleSource
    artifacts: ArtifactStore
    clock: Clock
    admission: Admission

    def close(self) -> None:
        self.doorbell.close()
        self.store.close()


def build_services(
    settings: Settings,
    *,
    store: JobStore | None = None,
    doorbell: Doorbell | None = None,
    candles: CandleSource | None = None,
    artifacts: ArtifactStore | None = None,
    clock: Clock | None = None,
) -> Services:
    """Wire everything the settings ask for; arguments replace single parts."""
    store = store or build_store(settings)
    return Services(
        settings=settings,
        store=store,
        doorbell=doorbell or build_doorbell(settings),
        candles=candles or build_candles(settings),
        artifacts=artifacts or build_artifacts(settings),
        clock=clock or SystemClock(),
        admission=Admission(store, admission_policy(settings), engine.parse_config),
    )


def build_store(settings: Settings) -> JobStore:
    """The job store that STORE names."""
    if settings.store.startswith("firestore://"):
        from worker.adapters.firestore import FirestoreJobStore

        project, database = settings.firestore_target
        return FirestoreJobStore(project, database)
    from worker.adapters.sql import SqlJobStore

    return SqlJobStore(settings.store)


def build_doorbell(settings: Settings) -> Doorbell:
    """The doorbell that DOORBELL names."""
    if settings.doorbell == "local":
        from worker.adapters.local import LocalDoorbell

        return LocalDoorbell()
    from worker.adapters.pubsub import PubSubDoorbell

    project, topic = settings.pubsub_target
    return PubSubDoorbell(project, topic)


def build_candles(settings: Settings) -> CandleLibrary:
    """The stored candles under CANDLES."""
    from worker.adapters.candle_files import CandleFiles

    return CandleFiles(Path(settings.candles))


def build_artifacts(settings: Settings) -> ArtifactStore:
    """The complete series under ARTIFACTS."""
    from worker.adapters.parquet_files import ParquetFiles

    return ParquetFiles(Path(settings.artifacts))


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
        lane=settings.lane,
    )


def wanted_jobs(settings: Settings) -> Wanted:
    """The queued jobs that a worker of this installation may claim."""
    return Wanted(lane=settings.lane, engine_versions=engine.SUPPORTED_ENGINE_VERSIONS)


def new_worker_id() -> str:
    """Unique for every start of a process, readable in a log."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
