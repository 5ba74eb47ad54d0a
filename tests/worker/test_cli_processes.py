"""The command line as real processes: pipes, terminals, signals, and how fast help is."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import free_port
from worker.adapters.sql import SqlJobStore
from worker.jobs.job import Job
from worker.services.cancelling import cancel

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("backtest-worker"))
SLOW = [sys.executable, str(ROOT / "tests" / "support" / "slow_cli.py")]

CONFIG = {
    "strategyId": "buyAndHold",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2024-01-31",
    "startingCapital": 10_000,
    "pricePath": [100.0 + bar for bar in range(30)],
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    ours = {"STORE", "DOORBELL", "CANDLES", "ARTIFACTS", "LOCAL_USER", "HOST", "PORT", "AUTH"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def store(here: Path) -> Iterator[SqlJobStore]:
    (here / "var").mkdir()
    store = SqlJobStore(f"sqlite:///{here / 'var' / 'backtests.db'}")
    yield store
    store.close()


def only_job(store: SqlJobStore) -> Job:
    (job,) = store.jobs_of("local", limit=10).jobs
    return job


class Slow:
    """``submit --wait`` whose engine runs until it is told to stop."""

    def __init__(self, here: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*SLOW, "submit", "config.json", "--wait"],
            cwd=here,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_running(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line == "running\n":
                return
        raise AssertionError(f"ended with {self.process.wait(PATIENCE_SECONDS)} before it ran")

    def end(self) -> tuple[int, str]:
        """Exit code and what was said on stderr since it ran."""
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said


@pytest.fixture
def slow(here: Path, environment: dict[str, str]) -> Iterator[Slow]:
    # Whoever runs the tests in the background may have made them ignore it, and children inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = Slow(here, environment)
    signal.signal(signal.SIGINT, before)
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.communicate(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gives_the_job_back(
    store: SqlJobStore, slow: Slow, number: signal.Signals
) -> None:
    slow.wait_until_running()
    slow.process.send_signal(number)
    code, said = slow.end()
    job = only_job(store)
    assert code == 130
    assert said == (
        f"Interrupted: job {job.job_id} is queued. backtest-worker status {job.job_id} shows it, "
        f"backtest-worker cancel {job.job_id} ends it.\n"
    )
    assert (job.status, job.interruptions, job.lease) == ("queued", 1, None)


def test_a_cancelled_job_ends_the_wait(store: SqlJobStore, slow: Slow) -> None:
    slow.wait_until_running()
    job_id = only_job(store).job_id
    assert cancel(store, job_id) is not None
    code, said = slow.end()
    assert code == 1
    assert said == (
        f"Error: job {job_id} failed with CANCELLED: The job was cancelled before it finished.\n"
    )


def test_a_pipe_gets_the_result_and_nothing_else(here: Path, environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [COMMAND, "run", "config.json", "--json"],
        cwd=here,
        env=environment,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert json.loads(ran.stdout)["backtestResult"]["bars"] == 30
    assert ran.stderr == b""


def test_a_terminal_gets_a_progress_bar(here: Path, environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "run", "config.json"],
        cwd=here,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    drawn = read_all(ours)
    assert out.startswith("buyAndHold on TEST")
    assert "running  ░░░" in drawn
    assert drawn.endswith("\r")


def read_all(descriptor: int) -> str:
    """What was written to a pseudo-terminal whose other side is closed."""
    parts = []
    try:
        while part := os.read(descriptor, 65_536):
            parts.append(part)
    except OSError:
        pass  # Linux reports the closed side as an error.
    finally:
        os.close(descriptor)
    return b"".join(parts).decode()


def test_a_reader_that_leaves_early_is_no_error_message(
    here: Path, environment: dict[str, str]
) -> None:
    closes = [100.0 + bar % 5 for bar in range(20_000)]
    config = CONFIG | {"pricePath": closes, "endDate": "2090-01-01"}
    (here / "config.json").write_text(json.dumps(config), encoding="utf-8")
    ran = subprocess.run(
        ["bash", "-c", f"{COMMAND} run config.json --json | head -c 20"],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ran.stdout == '{"backtestResult": {'
    assert ran.stderr == ""


def test_a_terminal_that_knows_only_ascii_gets_json_in_utf8(
    here: Path, environment: dict[str, str]
) -> None:
    (here / "config.json").write_text(json.dumps(CONFIG | {"label": "Größe"}), encoding="utf-8")
    ran = subprocess.run(
        [COMMAND, "run", "config.json", "--json"],
        cwd=here,
        env=environment | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert json.loads(ran.stdout.decode())["backtestResult"]["configUsed"]["label"] == "Größe"


@pytest.mark.parametrize(
    "heavy", ["numba", "numpy", "pydantic", "fastapi", "sqlalchemy", "google.cloud.firestore"]
)
def test_help_loads_nothing_heavy(heavy: str, environment: dict[str, str]) -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from worker.entrypoints.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        f"sys.exit({heavy!r} in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


@pytest.mark.parametrize("service", ["serve", "control"])
def test_a_service_answers_and_leaves_with_0(
    here: Path, environment: dict[str, str], service: str
) -> None:
    port = str(free_port())
    process = subprocess.Popen(
        [COMMAND, service, "--port", port],
        cwd=here,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = iter(process.stderr)
        assert any(f"running on http://127.0.0.1:{port}" in line for line in said)
        health = httpx.get(
            f"http://127.0.0.1:{port}/health", trust_env=False, timeout=PATIENCE_SECONDS
        )
        assert health.json()["status"] == "healthy"
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


def test_an_address_in_use_is_told_without_a_traceback(
    here: Path, environment: dict[str, str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = subprocess.run(
            [COMMAND, "control", "--port", str(taken.getsockname()[1])],
            cwd=here,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert ran.returncode not in (0, None)
    assert "address already in use" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_version_is_the_packages(environment: dict[str, str]) -> None:
    ran: Any = subprocess.run(
        [COMMAND, "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("backtest-worker, version ")
