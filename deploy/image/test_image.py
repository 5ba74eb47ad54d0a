"""The image as a platform would run it: one CPU, 1 GiB, read-only, no capabilities, not root.

``make image-test`` builds it and runs these; they need root, podman and runc (see build.sh).
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.image import sizes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
IMAGE = os.environ.get("IMAGE", "localhost/backtest-worker:test")
BASE_IMAGE = "docker.io/library/python:3.13-slim"
#: What the image may add to its base.
MOST_MIB = 440
USER = 65532
CONFINED = (
    *("--cpus", "1", "--memory", "1g", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp:rw,mode=1777"),
)
ENVIRONMENT = {
    "STORE": "sqlite:////tmp/store/backtests.db",
    "CANDLES": "/tmp/store/candles",
    "ARTIFACTS": "/tmp/store/artifacts",
    "WORKER_AUTH": "iam",
    "LOG_FORMAT": "json",
}
FIRST_JOB = {
    "strategyId": "smaCross",
    "symbol": "AAPL",
    "startDate": "2000-03-01",
    "endDate": "2013-03-01",
    "startingCapital": 10_000,
    "parameters": {"fast": 50, "slow": 200},
    "execution": {"stopLoss": 0.1, "feeRate": 0.001},
}
SLOW_BARS = 400_000
WHEEL: dict[str, Any] = {"strategyId": "wheel", "parameters": {}, "execution": {}}


def podman(*arguments: str, input: str | None = None, check: bool = True) -> str:
    done = subprocess.run(
        [HERE / "podman", *arguments],
        input=input,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert not check or done.returncode == 0, f"podman {arguments[0]}: {done.stderr}{done.stdout}"
    return done.stdout


def flags(store: Path, **environment: str) -> list[str]:
    settings = {**ENVIRONMENT, **environment}
    values = [part for pair in settings.items() for part in ("--env", "=".join(pair))]
    return [*CONFINED, "--volume", f"{store}:/tmp/store", *values]


def command(store: Path, *arguments: str, input: str | None = None) -> str:
    """One run of the command line in a container of its own."""
    run = ["run", "--rm", "--interactive", "--read-only", "--network", "none"]
    return podman(*run, *flags(store), IMAGE, *arguments, input=input)


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Worker:
    """A running container of ``serve``."""

    container: str
    store: Path
    port: str = "8080"

    def pid(self) -> int:
        return int(podman("inspect", "--format", "{{.State.Pid}}", self.container))

    def logs(self) -> str:
        return podman("logs", self.container)

    def get(self, path: str) -> httpx.Response | None:
        """Over the container's own network, or this machine's where it has none of its own."""
        inspected = podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.container)
        address = inspected.strip() or "127.0.0.1"
        try:
            return httpx.get(f"http://{address}:{self.port}{path}", timeout=5, trust_env=False)
        except httpx.TransportError:
            return None

    def is_ready(self) -> bool:
        answer = self.get("/ready")
        return answer is not None and answer.status_code == 200

    def job(self, job_id: str) -> dict[str, Any]:
        text = podman("exec", self.container, "backtest-worker", "status", job_id, "--json")
        found: dict[str, Any] = json.loads(text)
        return found


@contextmanager
def serving(store: Path, *extra: str, service: str = "", **environment: str) -> Iterator[Worker]:
    arguments = [*flags(store, **environment), IMAGE, *([service] if service else [])]
    container = podman("run", "--detach", *extra, *arguments).strip()
    worker = Worker(container, store, environment.get("PORT", "8080"))
    try:
        until(worker.is_ready, 60, "/ready")
        yield worker
    finally:
        podman("rm", "--force", "--time", "0", container)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with candles."""
    return make_store(tmp_path_factory)


def make_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("store")
    directory.chmod(0o700)
    os.chown(directory, USER, USER)
    candles = (ROOT / "samples" / "AAPL-1d.csv").read_text()
    (directory / "AAPL.csv").write_text(candles)
    imported = ("candles", "import", "/tmp/store/AAPL.csv", "--symbol", "AAPL")
    command(directory, *imported, "--timeframe", "1d")
    return directory


def submit(store: Path, config: dict[str, Any]) -> str:
    job = json.loads(command(store, "submit", "-", "--json", input=json.dumps(config)))
    assert job["status"] == "queued"
    return str(job["jobId"])


@pytest.fixture(scope="module")
def first_job(store: Path) -> str:
    return submit(store, FIRST_JOB)


@pytest.fixture(scope="module")
def worker(store: Path) -> Iterator[Worker]:
    """A read-only container that says when it reads and when it writes its cache of kernels."""
    with serving(store, "--read-only", NUMBA_DEBUG_CACHE="1") as running:
        yield running


def test_the_server_is_process_1_and_has_neither_root_nor_capabilities(worker: Worker) -> None:
    about = Path(f"/proc/{worker.pid()}")
    status = dict(
        line.split(":\t", 1)
        for line in (about / "status").read_text().splitlines()
        if ":\t" in line
    )

    assert status["NSpid"].split()[-1] == "1"
    assert status["Uid"].split() == [str(USER)] * 4
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == 0
    assert b"backtest-worker\0serve" in (about / "cmdline").read_bytes()


def completed(worker: Worker, job_id: str) -> dict[str, Any]:
    """The job when it has a result."""

    def found() -> dict[str, Any] | None:
        job = worker.job(job_id)
        return job if job["status"] == "completed" else None

    job: dict[str, Any] = until(found, 60, "the job")
    return job


def test_the_first_job_needs_no_compiler(first_job: str, worker: Worker) -> None:
    job = completed(worker, first_job)
    loaded = Path(f"/proc/{worker.pid()}/maps").read_text()

    assert job["resultDigest"].startswith("sha256:")
    assert "/opt/backtest/kernels/kernels.so" in loaded
    assert "llvmlite" not in loaded
    assert "[cache]" not in worker.logs()


def test_without_the_library_the_first_job_compiles_nothing(
    first_job: str, worker: Worker, store: Path
) -> None:
    expected = completed(worker, first_job)["resultDigest"]
    podman("stop", "--time", "10", worker.container)
    second = submit(store, FIRST_JOB)
    settings = {"ENGINE_KERNELS": "off", "NUMBA_DEBUG_CACHE": "1"}
    with serving(store, "--read-only", **settings) as other:
        job = completed(other, second)
        loaded = Path(f"/proc/{other.pid()}/maps").read_text()
        said = other.logs()
    podman("start", worker.container)
    until(worker.is_ready, 60, "/ready")

    assert job["resultDigest"] == expected
    assert "kernels.so" not in loaded
    assert said.count("[cache] data loaded from") > 5
    assert "saved to" not in said


def test_the_same_image_serves_the_control_service(store: Path) -> None:
    settings = {
        "AUTH": "firebase",
        "FIREBASE_PROJECT": "my-project",
        "OIDC_AUDIENCES": "https://control",
        "OIDC_CALLERS": "sweep=scheduler@my-project.iam.gserviceaccount.com",
    }
    with serving(store, "--read-only", service="control", **settings) as control:
        answer = control.get("/v1/backtests")
        assert b"backtest-worker\0control" in Path(f"/proc/{control.pid()}/cmdline").read_bytes()

    assert answer is not None
    assert answer.status_code == 401


def test_every_module_can_be_imported_after_the_strip(store: Path) -> None:
    code = """
import importlib, pkgutil, engine, worker
import numpy.testing, google.cloud.firestore, google.cloud.pubsub_v1
import pyarrow, pyarrow.dataset, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"a": [1.5, 2.5]}), "/tmp/a.parquet")
assert pyarrow.parquet.read_table("/tmp/a.parquet")["a"].to_pylist() == [1.5, 2.5]
for package in (engine, worker):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith("worker.adapters.sql.migrations."):  # Alembic loads these
            importlib.import_module(module.name)
print("all")
"""
    entry = ("--entrypoint", "python", "--network", "none", "--read-only")

    assert podman("run", "--rm", *entry, *flags(store), IMAGE, "-c", code) == "all\n"


def test_modules_start_from_bytecode_that_is_never_checked(store: Path) -> None:
    code = """
import pathlib, sys
import engine, numba, pyarrow.parquet
import worker.entrypoints.control_server, worker.entrypoints.poller
import worker.entrypoints.worker_server
cached = [pathlib.Path(m.__cached__) for m in list(sys.modules.values())
          if getattr(m, "__cached__", None) and m.__file__.endswith(".py")]
flags = {file: int.from_bytes(file.read_bytes()[4:8], "little") for file in cached if file.exists()}
print(len(cached), len(flags), set(flags.values()))
"""
    entry = ("--entrypoint", "python", "--network", "none", "--read-only")
    total, found, kinds = podman("run", "--rm", *entry, *flags(store), IMAGE, "-c", code).split()

    assert int(total) > 900
    assert found == total
    assert kinds == "{1}"


def submit_slow_job(store: Path) -> str:
    """A job that takes minutes where kernels are not compiled."""
    first = 1_577_836_800
    with (store / "SLOW.csv").open("w") as file:
        file.write("time,open,high,low,close,volume\n")
        for bar in range(SLOW_BARS):
            close = 100 + bar % 37 - bar % 11
            file.write(f"{first + 60 * bar},{close},{close + 1},{close - 1},{close},1\n")
    imported = ("candles", "import", "/tmp/store/SLOW.csv", "--symbol", "SLOW")
    command(store, *imported, "--timeframe", "1m")
    bars = {"symbol": "SLOW", "timeframe": "1m", "startDate": "2020-01-01"}
    # The wheel prices an option on every bar, so none is passed over.
    return submit(store, {**FIRST_JOB, **bars, "endDate": "2020-12-31", **WHEEL})


def test_a_stop_gives_the_running_job_back_and_leaves_in_time(worker: Worker, store: Path) -> None:
    podman("stop", "--time", "10", worker.container)
    slow_job = submit_slow_job(store)
    with serving(store, NUMBA_DISABLE_JIT="1") as stopped:
        until(lambda: stopped.job(slow_job)["status"] == "running", 60, "the slow job to start")
        began = time.monotonic()
        podman("kill", "--signal", "TERM", stopped.container)
        code = podman("wait", stopped.container).strip()
        seconds = time.monotonic() - began
        said = stopped.logs()
        changed = [line.split(" ", 1) for line in podman("diff", stopped.container).splitlines()]

    job = json.loads(command(store, "status", slow_job, "--json"))
    assert code == "0", said
    assert seconds < 10
    assert job["status"] == "queued"
    assert job["interruptions"] == 1
    assert [path for _, path in changed if not path.startswith(("/tmp", "/run", "/etc"))] == []


def test_the_image_keeps_nothing_of_what_was_lent_to_its_build(store: Path) -> None:
    image = json.loads(podman("image", "inspect", IMAGE))[0]
    names = {setting.split("=", 1)[0] for setting in image["Config"]["Env"]}
    history = podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)
    # Mounting leaves an empty file and an empty directory behind.
    look = "find /etc/pip.conf /run/lent /src -type f -size +0 2>/dev/null"
    entry = ("--entrypoint", "sh", "--network", "none", "--read-only")

    assert names == {
        *("PATH", "HOST", "PORT", "PYTHONDONTWRITEBYTECODE", "PYTHONSAFEPATH", "PYTHONUNBUFFERED"),
        *("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "NUMBA_CPU_FEATURES"),
        "NUMBA_CPU_NAME",
    }
    assert "/run/lent" not in history
    assert podman("run", "--rm", *entry, *flags(store), IMAGE, "-c", f"{look}; true") == ""


def file_sizes(image: str) -> list[sizes.File]:
    listing = ("--volume", f"{HERE / 'sizes.py'}:/tmp/sizes.py:ro")
    entry = ("--entrypoint", "python", "--network", "none", "--user", "0", "--read-only")
    return sizes.read(podman("run", "--rm", *entry, *listing, image, "/tmp/sizes.py"))


def test_the_image_is_within_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    image = json.loads(podman("image", "inspect", IMAGE))[0]
    base = json.loads(podman("image", "inspect", BASE_IMAGE))[0]
    files = file_sizes(IMAGE)
    added = sizes.on_top(files, file_sizes(BASE_IMAGE))
    counted = (image["Size"] - base["Size"]) / sizes.MIB
    with capsys.disabled():
        print(f"\n{sizes.table(added, sizes.whole(files))}")
        print(f"with directories: {counted:.0f} MiB on top of Python, at most {MOST_MIB} MiB")

    assert image["Config"]["Entrypoint"] == ["backtest-worker"]
    assert image["Config"]["Cmd"] == ["serve"]
    assert counted <= MOST_MIB
    # The table has everything: what it lacks are directories.
    assert 0.95 * counted < sum(added.values()) / sizes.MIB <= counted
