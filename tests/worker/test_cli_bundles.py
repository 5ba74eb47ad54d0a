"""``bundle`` and what other commands say of bundles, from outside."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Cli
from tests.support.interruptions import interrupt_waits
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.bundle_text import bundle_text, ranking_text
from worker.entrypoints.cli import waiting
from worker.entrypoints.cli.failures import INTERRUPTED
from worker.jobs.bundle import Bundle
from worker.jobs.errors import DoorbellUnavailable
from worker.jobs.states import JobStatus

ROOT = Path(__file__).parents[2]
BUNDLE: dict[str, Any] = {
    "name": "small",
    "baseConfig": {
        "strategyId": "smaCross",
        "symbol": "TEST",
        "startDate": "2024-01-01",
        "endDate": "2024-02-29",
        "startingCapital": 10_000,
        "pricePath": [100.0 + (bar % 9) - (bar % 4) for bar in range(60)],
    },
    "parameterGrid": {"parameters.fast": [2, 3, 9], "parameters.slow": [4, 8]},
    "rankBy": "totalReturn",
}


def write(folder: Path, content: object) -> Path:
    path = folder / "bundle.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def stored(bundle_id: str) -> Bundle:
    store = SqlJobStore("sqlite:///var/backtests.db")
    try:
        seen = store.get_bundle(bundle_id)
        assert seen is not None
        return seen.bundle
    finally:
        store.close()


def submitted(cli: Cli, here: Path, **changes: Any) -> str:
    result = cli("bundle", write(here, {**BUNDLE, **changes}), "--json")
    assert result.exit_code == 0, result.stderr
    return str(json.loads(result.stdout)["bundleId"])


def test_waiting_ends_with_a_ranking(cli: Cli, here: Path) -> None:
    result = cli("bundle", write(here, BUNDLE), "--wait")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == [
        *("rank", "index", "totalReturn", "sharpe", "maxDrawdown", "tradeCount", "sets"),
    ]
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "3", "4"]
    returns = [float(line.split()[2].rstrip("%")) for line in lines[1:5]]
    assert returns == sorted(returns, reverse=True)
    assert "fast=2, slow=" in result.stdout
    assert "4 of 6 variants completed" in lines
    assert result.stderr.startswith("Bundle ")
    assert "█" not in result.stderr, "no progress in a pipe"
    told = result.stderr.splitlines()[-1]
    assert told.startswith("2 failed, first variant ")
    assert "with INVALID_CONFIG: parameters." in told


def test_json_is_the_bundle(cli: Cli) -> None:
    result = cli("bundle", "-", "--wait", "--json", stdin=json.dumps(BUNDLE))
    printed = json.loads(result.stdout)
    assert (result.exit_code, printed["status"]) == (0, "completed")
    assert (printed["total"], printed["completed"], printed["failed"]) == (6, 4, 2)
    assert printed["best"] == printed["summary"]["best"]
    assert stored(printed["bundleId"]).summary == printed["summary"]


def test_without_waiting_it_is_left_to_workers(cli: Cli, here: Path) -> None:
    result = cli("bundle", write(here, BUNDLE))
    assert result.exit_code == 0
    assert result.stdout.endswith(": 6 variants in 1 job(s).\n")
    bundle = stored(result.stdout.split()[1].rstrip(":"))
    assert (bundle.status, bundle.user_id) == (JobStatus.RUNNING, "local")


def test_only_a_completed_bundle_is_a_success(cli: Cli, here: Path) -> None:
    grid = {"parameters.fast": [20, 30], "parameters.slow": [4]}
    result = cli("bundle", write(here, {**BUNDLE, "parameterGrid": grid}), "--wait")
    assert result.exit_code == 1
    assert "failed with INVALID_CONFIG: No variant succeeded" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rankBy": "luck"}, "rankBy: expected one of totalReturn"),
        ({"surprise": 1}, "surprise: expected no such field"),
        ({"baseConfig": [1]}, "baseConfig: expected an object"),
        ({"parameterGrid": {}, "variants": [{}]}, "either parameterGrid or variants"),
        ({"baseConfig": {"strategyId": "magic"}}, "baseConfig.strategyId: expected"),
        (
            {"parameterGrid": {"parameters.fastt": [2, 3]}},
            "  parameterGrid.parameters.fastt: expected no such key, got the unknown key 'fastt'\n",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_named(
    cli: Cli, here: Path, changes: dict[str, Any], told: str
) -> None:
    result = cli("bundle", write(here, {**BUNDLE, **changes}))
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.startswith("Error: the bundle is not valid:\n")
    assert "Traceback" not in result.stderr
    assert cli("bundle", here / "absent.json").exit_code == 1


def test_status_shows_a_bundle(cli: Cli, here: Path) -> None:
    bundle_id = submitted(cli, here)
    shown = cli("status", bundle_id)
    assert shown.exit_code == 0
    facts = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())
    assert facts["Bundle"] == bundle_id
    assert (facts["Status"], facts["Progress"]) == ("running", "0%")
    assert (facts["Variants"], facts["Jobs"]) == ("0 of 6", "1")
    assert json.loads(cli("status", bundle_id, "--json").stdout)["bundleId"] == bundle_id
    assert cli("status", "nobody").exit_code == 1


def test_status_ranks_what_has_ended(cli: Cli, here: Path) -> None:
    """Who did not wait sees what came of it, too."""
    waited = cli("bundle", write(here, BUNDLE), "--wait")
    bundle_id = waited.stderr.splitlines()[0].split()[1]
    shown = cli("status", bundle_id)
    assert shown.exit_code == 0, shown.stderr
    facts, table = shown.stdout.split("\n\n", 1)
    assert "Status    completed" in facts.splitlines()
    assert table == waited.stdout
    assert len(table.split("\n\n")[0].splitlines()) == 5


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_status_does_without_rows_that_have_expired(
    cli: Cli, here: Path, form: tuple[str, ...]
) -> None:
    waited = cli("bundle", write(here, BUNDLE), "--wait", "--json")
    bundle_id = json.loads(waited.stdout)["bundleId"]
    for path in here.rglob("*.parquet"):
        path.unlink()
    shown = cli("status", bundle_id, *form)
    assert shown.exit_code == 0, shown.stderr
    if form:
        assert json.loads(shown.stdout)["best"] is None
    else:
        assert "4 of 6 variants completed" in shown.stdout
        assert "rank" not in shown.stdout


def test_cancel_ends_a_bundle(cli: Cli, here: Path) -> None:
    bundle_id = submitted(cli, here)
    result = cli("cancel", bundle_id)
    assert (result.exit_code, result.stdout) == (0, f"Bundle {bundle_id} is failed.\n")
    assert stored(bundle_id).error_code == "CANCELLED"
    assert json.loads(cli("cancel", bundle_id, "--json").stdout)["errorCode"] == "CANCELLED"


def test_a_bell_that_is_broken_is_told(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise DoorbellUnavailable("nobody at the door")

    monkeypatch.setattr("worker.services.bundles.arrivals.BundleArrivals.announce", down)
    result = cli("bundle", write(here, BUNDLE))
    assert result.exit_code == 0
    assert "no worker could be rung: nobody at the door" in result.stderr


def test_an_interrupted_wait_says_where_the_bundle_stands(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_waits(monkeypatch)
    monkeypatch.setattr(waiting, "_local_worker", no_worker)
    result = cli("bundle", write(here, BUNDLE), "--wait")
    assert result.exit_code == INTERRUPTED
    assert "backtest-worker status" in result.stderr


class no_worker:  # noqa: N801 - stands for a function
    """Nobody runs the queue here."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        pass


def test_whoever_waits_ends_a_bundle_that_nobody_else_does(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the last chunk may have died between its two writes."""
    with monkeypatch.context() as patch:
        patch.setattr("worker.services.bundles.progress.BundleProgress.after", lambda *_: None)
        result = cli("bundle", write(here, BUNDLE), "--wait", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["status"] == "completed"


def a_row(index: int, **figures: Any) -> dict[str, Any]:
    return {
        "index": index,
        "overrides": '{"parameters.fast":5,"execution.stopLoss":null}',
        "totalReturn": 0.5,
        "sharpe": None,
        "maxDrawdown": -0.25,
        "tradeCount": 1_234,
        **figures,
    }


def test_the_table_is_aligned_and_has_units() -> None:
    bundle = Bundle(bundle_id="b1", rank_by="finalEquity", total=2, completed=2)
    text = ranking_text(
        bundle, [a_row(3, finalEquity=12_345.678), a_row(117, finalEquity=9.5, sharpe=1.25)]
    )
    head, first, second = text.splitlines()
    assert first.split()[2:7] == ["12,345.68", "50.00%", "–", "-25.00%", "1,234"]
    assert second.endswith("fast=5, execution.stopLoss=null")
    assert head.index("sets") == first.index("fast=5") == second.index("fast=5")


def test_long_overrides_are_cut() -> None:
    row = a_row(0, overrides=json.dumps({"pricePath": list(range(1000))}))
    assert all(len(line) < 130 for line in ranking_text(Bundle(bundle_id="b"), [row]).splitlines())


def test_the_summary_tells_of_all_variants() -> None:
    summary = {
        "metricRanges": {"sharpe": {"min": -1.0, "max": 2.0}},
        "regimes": {"uptrend": 0.021, "downtrend": None, "sideways": -0.004},
    }
    bundle = Bundle(bundle_id="b1", total=9, completed=8, summary=summary)
    assert ranking_text(bundle, []).splitlines() == [
        "8 of 9 variants completed",
        "sharpe from -1.00 to 2.00",
        "average cycle by regime: uptrend 2.10%, sideways -0.40%",
    ]
    assert ranking_text(Bundle(bundle_id="b1", summary={}), []) == ""


def test_a_bundle_that_stops_says_so() -> None:
    bundle = Bundle(bundle_id="b1", status=JobStatus.RUNNING, cancel_requested=True, total=4)
    assert "running, asked to stop" in bundle_text(bundle)


def test_a_bundle_steers_no_terminal() -> None:
    bundle = Bundle(bundle_id="b1", name="up\x1b[1A\nStatus    completed", total=1)
    assert "Name      up\\x1b[1A\\nStatus    completed" in bundle_text(bundle).splitlines()
    row = {"index": 0, "overrides": '{"label": "\\u001b[2J"}', "sharpe": 1.0}
    row |= dict.fromkeys(("totalReturn", "maxDrawdown", "tradeCount"))
    assert ranking_text(bundle, [row]).endswith("label=\\x1b[2J")


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples" / "bundles").glob("*.json")), ids=lambda path: path.stem
)
def test_every_example_completes_on_the_samples(cli: Cli, example: Path) -> None:
    symbol = json.loads(example.read_text(encoding="utf-8"))["baseConfig"]["symbol"]
    for name in {symbol, "VIX"}:
        sample = ROOT / "samples" / f"{name}-1d.csv"
        assert (
            cli("candles", "import", sample, "--symbol", name, "--timeframe", "1d").exit_code == 0
        )
    result = cli("bundle", example, "--wait", "--json")
    assert result.exit_code == 0, result.stderr
    printed = json.loads(result.stdout)
    assert (printed["status"], printed["failed"]) == ("completed", 0)
    assert printed["total"] == printed["completed"] >= 5
    assert printed["best"]["metrics"][printed["rankBy"]] is not None
