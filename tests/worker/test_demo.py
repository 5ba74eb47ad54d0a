"""The demo: real candles in, two jobs through the queue, two results out; as often as one likes."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.command_line import call
from worker.adapters.candle_files import CandleFiles
from worker.adapters.sql import SqlJobStore
from worker.candle_import import import_files
from worker.entrypoints import demo

ROOT = Path(__file__).parents[2]


def run_demo() -> Result:
    result = call("demo")
    assert result.exit_code == 0, result.output
    return result


def test_two_jobs_go_the_whole_road_twice(here: Path) -> None:
    first = run_demo()
    second = run_demo()
    store = SqlJobStore(f"sqlite:///{here / 'var' / 'backtests.db'}")
    jobs = store.jobs_of("local", limit=10).jobs
    results = {job.job_id: store.result(job.job_id) for job in jobs}
    store.close()
    assert [job.config_used["strategyId"] for job in jobs] == [
        "smaCross",
        "wheel",
        "smaCross",
        "wheel",
    ]
    for job in jobs:
        record = results[job.job_id]
        assert record is not None
        assert (job.status, job.attempt, job.progress) == ("completed", 1, 1.0)
        assert record.result_digest == job.result_digest
    assert {job.result_digest for job in jobs[:2]} == {job.result_digest for job in jobs[2:]}
    assert digests(first.output) == digests(second.output)


def digests(text: str) -> list[str]:
    return re.findall(r"^Digest   (sha256:[0-9a-f]{64})$", text, flags=re.MULTILINE)


def test_it_says_what_a_newcomer_wants_to_know(here: Path) -> None:  # noqa: ARG001 - runs there
    said = run_demo().output
    for word in ("Total return", "Max drawdown", "Cycles", "Regimes", "uptrend", "Digest"):
        assert said.count(word) >= 2, word
    for place in ("var/backtests.db", "var/candles", "var/artifacts"):
        assert place in said
    assert len(digests(said)) == 2


def test_the_commands_it_suggests_name_what_exists(here: Path) -> None:
    said = run_demo().output
    job_id = re.findall(r"status (\w+)$", said, flags=re.MULTILINE)[0]
    shown = call("status", job_id, "--json")
    assert json.loads(shown.stdout)["configUsed"]["strategyId"] == "wheel"
    for path in re.findall(r"(\S+\.json)(?: --json)? (?:>|--wait)", said):
        assert (here / path).exists(), path


def test_the_report_it_suggests_can_be_written(here: Path) -> None:
    said = run_demo().output
    (command,) = re.findall(r"(run \S+\.json --report \S+)$", said, flags=re.MULTILINE)
    result = call(*command.split())
    assert result.exit_code == 0, result.stderr
    assert "<h1>" in (here / "result.html").read_text(encoding="utf-8")


def test_candles_that_are_there_already_stay(here: Path) -> None:
    own = here / "own.csv"
    lines = (ROOT / "samples" / "IBM-1d.csv").read_text(encoding="utf-8").splitlines()[:101]
    own.write_text("\n".join(lines), encoding="utf-8")
    library = CandleFiles(here / "var" / "candles")
    import_files(library, [own], "IBM", "1d")
    assert "IBM       100 daily bars" in run_demo().output
    assert len(library.load("IBM", "1d", None, None)) == 100


def test_it_does_not_leave_this_machine(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "firestore://somebodys-project/(default)")
    result = call("demo")
    assert result.exit_code == 1
    assert result.stderr == "Error: the demo stays on this machine: unset STORE and DOORBELL\n"
    assert list(here.iterdir()) == []


def test_a_job_that_fails_fails_the_demo(
    here: Path,  # noqa: ARG001 - runs there
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    example = tmp_path / "example.json"
    config = json.loads((ROOT / "examples" / "sma-cross-aapl.json").read_text(encoding="utf-8"))
    example.write_text(json.dumps(config | {"symbol": "NONE"}), encoding="utf-8")
    monkeypatch.setattr(demo, "EXAMPLES", (example,))
    result = call("demo")
    assert result.exit_code == 1
    assert "failed with DATA_NOT_FOUND: No candles for NONE 1d" in result.stderr


def test_without_the_samples_it_says_where_they_are(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SAMPLES", here / "nowhere")
    result = call("demo")
    assert result.exit_code == 1
    assert "run the demo from a checkout" in result.stderr
