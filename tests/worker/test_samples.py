"""The candles that come with the project: real, importable, small, and as their README says."""

import csv
import importlib.util
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from worker.adapters.candle_files import CandleFiles
from worker.candle_import import import_files

SAMPLES = Path(__file__).parents[2] / "samples"
FILES = sorted(SAMPLES.glob("*.csv"))
TEN_YEARS = 3652


@pytest.fixture(scope="module")
def make_samples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", SAMPLES / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_index_its_volatility_and_three_shares() -> None:
    assert [path.name for path in FILES] == [
        "AAPL-1d.csv",
        "IBM-1d.csv",
        "MSFT-1d.csv",
        "SPX-1d.csv",
        "VIX-1d.csv",
    ]


def test_everything_beside_the_project_stays_below_a_megabyte() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()) < 1_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_passes_the_importer_and_its_readme_is_right(path: Path, tmp_path: Path) -> None:
    symbol = path.stem.removesuffix("-1d")
    entry = import_files(CandleFiles(tmp_path), [path], symbol, "1d").entry
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith(f"| `{path.name}` |")]
    assert f"| {entry.rows:,} | {entry.first:%Y-%m-%d} | {entry.last:%Y-%m-%d} |" in line
    if symbol != "VIX":
        assert (entry.last - entry.first).days > TEN_YEARS


def test_adjusted_shares_have_no_split_in_them() -> None:
    with (SAMPLES / "AAPL-1d.csv").open(encoding="utf-8") as file:
        closes = {row["timestamp"]: float(row["close"]) for row in csv.DictReader(file)}
    # Two for one on 2005-02-28: as traded, the close fell from 88.99 to 44.86.
    assert closes["2005-02-28"] / closes["2005-02-25"] == pytest.approx(
        44.86 / (88.99 / 2), rel=1e-4
    )


def test_shares_are_adjusted_to_the_last_close(make_samples: ModuleType) -> None:
    rows = [
        {"Ticker": "X", "Date": "2020-01-02", "Open": "99", "High": "110", "Low": "90",
         "Close": "100", "Volume": "5", "Adj Close": "25"},
        {"Ticker": "Y", "Date": "2020-01-02", "Open": "1", "High": "1", "Low": "1",
         "Close": "1", "Volume": "1", "Adj Close": "1"},
        {"Ticker": "X", "Date": "2020-01-03", "Open": "50", "High": "52", "Low": "48",
         "Close": "51", "Volume": "7", "Adj Close": "25.5"},
    ]  # fmt: skip
    first, last = make_samples.share_bars(rows, "X")
    assert first[1:] == (Decimal("49.5"), Decimal(55), Decimal(45), Decimal(50), 5)
    assert last[1:] == (Decimal(50), Decimal(52), Decimal(48), Decimal(51), 7)


def test_contradictions_are_mended_and_useless_rows_dropped(
    make_samples: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = make_samples.Bar
    days = [date(2020, 1, day) for day in (2, 3, 3, 6)]
    bars = [
        bar(days[0], Decimal(10), Decimal(9), Decimal(8), Decimal(9), 1),
        bar(days[1], Decimal(10), Decimal(11), Decimal(9), Decimal(10), 1),
        bar(days[2], Decimal(10), Decimal(11), Decimal(9), Decimal(10), 1),
        bar(days[3], Decimal(0), Decimal(11), Decimal(9), Decimal(10), 1),
    ]
    make_samples.write("X", iter(bars), tmp_path)
    assert (tmp_path / "X-1d.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "2020-01-02,10,10,8,9,1",
        "2020-01-03,10,11,9,10,1",
    ]
    said = capsys.readouterr().out
    assert "dropped 2020-01-03, 2020-01-06, mended 2020-01-02" in said
