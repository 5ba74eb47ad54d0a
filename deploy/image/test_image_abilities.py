"""What the image was made smaller around: each ability that a removed part could have been for.

Run in the image itself, confined like the others, against the emulators and a PostgreSQL server.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.image.test_image import (
    FIRST_JOB,
    IMAGE,
    completed,
    flags,
    make_store,
    podman,
    serving,
)
from tests.support.emulators import FirestoreEmulator, PubSubEmulator
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port
from tests.support.signed_tokens import issuer
from tests.support.storage import StorageEmulator
from worker.candle_parquet import read_parquet

#: What a Parquet file may be packed with; "lz4" is the codec that replaced the first one.
CODECS = ("none", "snappy", "gzip", "zstd", "brotli", "lz4")
TOPIC = "backtests"
BUNDLE = {"baseConfig": FIRST_JOB, "parameterGrid": {"parameters.fast": [20, 30, 40]}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with candles, and room for what a test hands in."""
    return make_store(tmp_path_factory)


def python(store: Path, code: str, **environment: str) -> str:
    """What the image's Python prints."""
    entry = ("--entrypoint", "python", "--network", "none", "--read-only")
    return podman("run", "--rm", *entry, *flags(store, **environment), IMAGE, "-c", code)


def on_this_network(store: Path, *arguments: str, input: str | None = None, **env: str) -> str:
    """One run of the command line that reaches what listens on this machine."""
    run = ("run", "--rm", "--interactive", "--read-only", "--network", "host")
    return podman(*run, *flags(store, **env), IMAGE, *arguments, input=input)


def test_every_shared_object_loads_with_all_that_it_calls(store: Path) -> None:
    """Those of packages; a kernel's library is loaded by whatever runs a backtest."""
    code = """
import ctypes, os, pathlib, sysconfig
import pyarrow
libraries = sorted(pathlib.Path(sysconfig.get_path("purelib")).rglob("*.so*"))
for library in libraries:
    try:
        ctypes.CDLL(str(library), mode=os.RTLD_NOW)
    except OSError as error:
        print(error)
print(len(libraries) > 80)
"""
    assert python(store, code) == "True\n"


@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_parquet_of_every_codec_and_type_is_read_as_outside(store: Path, version: str) -> None:
    given = store / f"parquet-{version}"
    given.mkdir()
    for codec in CODECS:
        for name, table in parquet_tables().items():
            pq.write_table(
                table,
                given / f"{codec}-{name}.parquet",
                compression=codec,
                version=version,
                data_page_version=version[:1] + ".0",
            )
    code = f"""
import json, pathlib
from worker.candle_parquet import read_parquet
rows = {{}}
for file in sorted(pathlib.Path("/tmp/store/parquet-{version}").iterdir()):
    read = read_parquet(file.read_bytes(), 1_000_000)
    rows[file.name] = [read.times.tolist(), [column.tolist() for column in read.values]]
print(json.dumps(rows))
"""
    found = json.loads(python(store, code))
    expected = {}
    for file in sorted(given.iterdir()):
        read = read_parquet(file.read_bytes(), 1_000_000)
        expected[file.name] = [read.times.tolist(), [column.tolist() for column in read.values]]

    assert len(found) == len(CODECS) * len(parquet_tables())
    assert found == expected


def parquet_tables() -> dict[str, pa.Table]:
    """The same ten bars, their times in every form that an import takes."""
    days = [date(2020, 1, 1) + timedelta(days=day) for day in range(10)]
    moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    seconds = [int(moment.timestamp()) for moment in moments]
    prices = pa.array(np.linspace(100, 109, 10))
    times = {
        "date": pa.array(days),
        "text": pa.array([day.isoformat() for day in days]).dictionary_encode(),
        "number": pa.array(seconds),
        **{unit: pa.array(moments, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
        "zone": pa.array(moments, pa.timestamp("ms", tz="America/New_York")),
    }
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    return {name: pa.table({"time": column, **columns}) for name, column in times.items()}


def test_rows_of_variants_are_written_and_filtered(store: Path) -> None:
    """As a bundle's end writes and its readers read them, and by way of a data set."""
    code = """
import io
import pyarrow as pa, pyarrow.dataset, pyarrow.parquet as pq
table = pa.table({"index": pa.array(range(100), pa.int32()), "label": ["a", "b"] * 50})
for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
    pq.write_table(table, "/tmp/rows.parquet", compression=codec, row_group_size=10)
    read = pq.read_table("/tmp/rows.parquet", columns=["index"], filters=[("index", ">=", 90)])
    assert read["index"].to_pylist() == list(range(90, 100)), codec
    assert pyarrow.dataset.dataset("/tmp/rows.parquet").to_table().equals(table), codec
print("all")
"""
    assert python(store, code) == "all\n"


def test_a_kernel_that_was_not_baked_is_compiled(store: Path) -> None:
    """The build compiles all others after the strip; here the finished image compiles one."""
    code = """
import sys
import numpy as np
from engine import _jit
from engine.indicators.averages import sma
closes = np.arange(1, 7)
before = "llvmlite" in sys.modules
values = sma(closes.astype(np.float32)[::2], 2)
print(before, "llvmlite" in sys.modules, _jit.LIBRARY.missed.total(), values.tolist()[1:])
"""
    said = python(store, code, NUMBA_DEBUG_CACHE="1")

    assert said.splitlines()[-1] == "False True 1 [2.0, 4.0]"
    assert "data saved to" in said


def result(store: Path, **environment: str) -> dict[str, Any]:
    """Of the first job, computed by one run of the command line."""
    run = ("run", "--rm", "--interactive", "--read-only", "--network", "none")
    first = json.dumps(FIRST_JOB)
    said = podman(*run, *flags(store, **environment), IMAGE, "run", "-", "--json", input=first)
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_report_is_written(store: Path) -> None:
    run = ("run", "--rm", "--interactive", "--read-only", "--network", "none")
    report = ("run", "-", "--report", "/tmp/store/report.html")
    podman(*run, *flags(store), IMAGE, *report, input=json.dumps(FIRST_JOB))
    page = (store / "report.html").read_text()

    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert "AAPL" in page


def test_a_signed_token_is_verified(store: Path) -> None:
    (store / "certificate.pem").write_text(issuer().certificate())
    bearer = issuer().firebase("my-project", "ann")["Authorization"].removeprefix("Bearer ")
    code = f"""
import pathlib
from google.auth import jwt
certificate = pathlib.Path("/tmp/store/certificate.pem").read_text()
print(jwt.decode("{bearer}", {{"test-key": certificate}}, audience="my-project")["sub"])
"""
    assert python(store, code) == "ann\n"


@pytest.fixture(scope="module")
def google() -> Iterator[dict[str, str]]:
    """Settings that point at the emulators of Firestore, Pub/Sub and Cloud Storage."""
    firestore, pubsub, storage = FirestoreEmulator(), PubSubEmulator(), StorageEmulator()
    project, port = firestore.new_project(), str(free_port())
    pubsub.create_topic(project, TOPIC)
    pubsub.create_subscription(
        project, "push", TOPIC, push_endpoint=f"http://127.0.0.1:{port}/pubsub/push"
    )
    yield {
        "STORE": f"firestore://{project}/(default)",
        "DOORBELL": f"pubsub://{project}/{TOPIC}",
        "CANDLES": f"gs://{storage.new_bucket()}/candles",
        "ARTIFACTS": f"gs://{storage.new_bucket()}/artifacts",
        "FIRESTORE_EMULATOR_HOST": firestore.host,
        "PUBSUB_EMULATOR_HOST": pubsub.host,
        "STORAGE_EMULATOR_HOST": storage.address,
        "HOST": "127.0.0.1",
        "PORT": port,
    }
    storage.stop()
    pubsub.stop()
    firestore.stop()


def test_jobs_and_bundles_go_through_firestore_pubsub_and_buckets(
    store: Path, google: dict[str, str]
) -> None:
    imported = ("candles", "import", "/tmp/store/AAPL.csv", "--symbol", "AAPL")
    on_this_network(store, *imported, "--timeframe", "1d", **google)
    local = result(store)
    network = ("--read-only", "--network", "host")
    with serving(store, *network, NUMBA_DEBUG_CACHE="1", **google) as worker:
        submitted = on_this_network(
            store, "submit", "-", "--json", input=json.dumps(FIRST_JOB), **google
        )
        job = completed(worker, json.loads(submitted)["jobId"])
        ended = on_this_network(
            store, "bundle", "-", "--wait", "--json", input=json.dumps(BUNDLE), **google
        )
        said = worker.logs()

    assert job["resultDigest"] == local["resultDigest"]
    assert json.loads(ended)["status"] == "completed", said
    assert (json.loads(ended)["total"], json.loads(ended)["failed"]) == (3, 0)
    assert "[cache]" not in said


def test_jobs_go_through_postgresql(store: Path) -> None:
    server = PostgresServer()
    try:
        settings = {
            "STORE": server.url(server.new_database()),
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "JOB_POLL_INTERVAL_SECONDS": "1",
        }
        on_this_network(store, "migrate", **settings)
        network = ("--read-only", "--network", "host")
        with serving(store, *network, service="poll", **settings) as poller:
            submitted = on_this_network(
                store, "submit", "-", "--json", input=json.dumps(FIRST_JOB), **settings
            )
            job = completed(poller, json.loads(submitted)["jobId"])
    finally:
        server.stop()

    assert job["resultDigest"] == result(store)["resultDigest"]
