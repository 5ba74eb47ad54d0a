"""What a worker process has loaded when its first job has ended: no more than that took."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import an_admitted_job, read
from tests.support.processes import Server, free_port
from worker.adapters.sql import SqlJobStore
from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.warming import WARM_UP_CONFIGS

ROOT = Path(__file__).resolve().parents[2]
SERVE = "from worker.entrypoints.cli import main; main(['serve'])"
#: What a worker does until it is ready.
START = """
import sys
from worker.bootstrap import build_services, build_worker
from worker.entrypoints.worker_app import create_worker_app
from worker.settings import load_settings
worker = build_worker(build_services(load_settings()))
create_worker_app(worker)
worker.warm_up.run()
worker.drain.drain(worker.services.clock.monotonic())
worker.services.store.ping()
assert worker.warm_up.done.is_set()
print(*sys.modules)
"""
#: Migrations, tables, HTTP clients, other clouds' and other stores' clients.
HEAVY = {
    *("alembic", "mako", "pygments", "pandas", "pyarrow", "scipy", "httpx", "requests", "rich"),
    *("google.cloud.pubsub_v1", "google.cloud.storage", "google.events", "psycopg"),
    *("sqlalchemy.dialects.postgresql", "numba.np.linalg"),
}
GOOGLE = {"google.cloud.firestore", "google.api_core", "grpc"}
COMPILER = {"numba", "llvmlite"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "kernels.so"
    subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "small_library.py"), str(path)],
        env={**os.environ, "ENGINE_KERNELS": "collect", "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return path


def loaded_for_a_job(store: JobStore, directory: Path, **settings: str) -> set[str]:
    """The modules of a worker that has run the one queued job of a store."""
    config: dict[str, Any] = dict(WARM_UP_CONFIGS[1])
    store.create(an_admitted_job("first", config_used=config, engine_version="1.0.0"))
    environment = {
        **os.environ,
        "CANDLES": str(directory / "candles"),
        "ARTIFACTS": str(directory / "artifacts"),
        "PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    command = [sys.executable, "-X", "importtime", "-c", SERVE]
    server = Server("worker", command, env=environment)
    try:
        server.wait_until(lambda: read(store, "first").job.completed_at is not None)
        said = server.output()
    finally:
        server.stop()
    assert read(store, "first").job.status is JobStatus.COMPLETED, said[-2000:]
    return set(re.findall(r"^import time: .*\| +(\S+)$", said, flags=re.MULTILINE))


def test_a_job_of_a_sql_store_needs_no_compiler_and_nobody_elses_client(
    tmp_path: Path, library: Path
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"

    loaded = loaded_for_a_job(SqlJobStore(url), tmp_path, STORE=url, ENGINE_KERNELS=str(library))

    assert {"fastapi", "numpy", "sqlalchemy", "engine.run"} <= loaded
    assert loaded & (HEAVY | GOOGLE | COMPILER) == set()


def test_a_start_on_an_empty_queue_needs_no_sql_alchemy(tmp_path: Path, library: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    SqlJobStore(url).close()

    said = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "STORE": url, "ENGINE_KERNELS": str(library), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    loaded = set(said.stdout.split())
    assert {"fastapi", "numpy", "engine.run", "sqlite3"} <= loaded
    assert loaded & (HEAVY | GOOGLE | COMPILER | {"sqlalchemy"}) == set()


@pytest.mark.emulator
def test_a_job_of_firestore_needs_no_compiler_and_rings_nobody(
    tmp_path: Path, library: Path, firestore_project: str
) -> None:
    from worker.adapters.firestore import FirestoreJobStore

    store = FirestoreJobStore(firestore_project, "(default)")
    target = f"firestore://{firestore_project}/(default)"

    loaded = loaded_for_a_job(store, tmp_path, STORE=target, ENGINE_KERNELS=str(library))

    assert {"fastapi", "google.cloud.firestore", "engine.run"} <= loaded
    # Google's clients bring requests for their tokens.
    assert loaded & (HEAVY | COMPILER) - {"requests"} == set()
    assert "sqlalchemy" not in loaded
