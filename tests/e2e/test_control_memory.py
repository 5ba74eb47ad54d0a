"""How much memory the control service takes, however many users look at large bundles at once."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow
import pytest

from engine.digest import SUMMARY_METRICS
from tests.support.bundles import a_bundle
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import Server, free_port
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.sql import SqlJobStore
from worker.jobs.artifact_keys import key_of_bundle
from worker.jobs.bundle import VARIANT_ROWS
from worker.jobs.job import Artifact
from worker.jobs.states import JobStatus
from worker.services.bundles.variant_rows import schema

VARIANTS = 100_000
#: As many as the shipped service takes at a time.
READERS = 40
#: The shipped service has 1 GiB, and other things to do.
MOST_MEGABYTES = 400

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def rows_of_all(artifacts: ParquetFiles) -> Artifact:
    """Rows with a figure in every column, and an overrides of its own for each."""
    chance = np.random.default_rng(1)
    columns: dict[str, Any] = {f.name: pyarrow.nulls(VARIANTS, f.type) for f in schema()}
    columns["index"] = np.arange(VARIANTS, dtype=np.int32)
    columns["overrides"] = [
        f'{{"parameters.fast":{number},"parameters.slow":{3 * number}}}'
        for number in range(VARIANTS)
    ]
    for name in SUMMARY_METRICS:
        figures = pyarrow.array(chance.normal(size=VARIANTS), "float64")
        columns[name] = figures.cast(schema().field(name).type, safe=False)
    return artifacts.put(key_of_bundle("b1", "variants-1"), columns)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """The control service with one bundle that has ended."""
    url, port = f"sqlite:///{tmp_path}/jobs.db", free_port()
    rows = rows_of_all(ParquetFiles(tmp_path / "artifacts"))
    store = SqlJobStore(url)
    bundle = a_bundle(
        "b1",
        user_id="local",
        status=JobStatus.COMPLETED,
        total=VARIANTS,
        completed=VARIANTS,
        artifacts={VARIANT_ROWS: rows},
    )
    store.create_bundle(bundle)
    store.close()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "STORE": url,
        "ARTIFACTS": str(tmp_path / "artifacts"),
        "PORT": str(port),
    }
    program = str(Path(sys.executable).with_name("backtest-worker"))
    address = f"http://127.0.0.1:{port}"
    server = Server("control", [sys.executable, program, "control"], env=environment)
    server.wait_until(lambda: is_ready(address))
    yield server, address
    server.stop()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/ready", timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def peak_megabytes(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def test_many_readers_of_a_large_bundle_share_its_memory(control: tuple[Server, str]) -> None:
    server, address = control

    def read(reader: int) -> None:
        metric = SUMMARY_METRICS[reader % len(SUMMARY_METRICS)]
        with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
            asked = {"sort": metric, "order": "desc" if reader % 2 else "asc", "limit": 200}
            page = client.get("/v1/bundles/b1/variants", params=asked).raise_for_status().json()
            cursor = page["nextCursor"]
            more = client.get("/v1/bundles/b1/variants", params=asked | {"cursor": cursor})
            assert len(more.raise_for_status().json()["variants"]) == 200
            client.get("/v1/bundles/b1").raise_for_status()

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, range(2 * READERS)))
    assert peak_megabytes(server) < MOST_MEGABYTES
