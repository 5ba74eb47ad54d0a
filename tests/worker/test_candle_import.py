"""Importing candle files: all or nothing, several files as one series, gaps reported."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from worker.adapters.candle_files import CandleFiles
from worker.candle_gaps import Gap
from worker.candle_import import ImportRefused, import_files, read_candles

HEADER = "timestamp,open,high,low,close,volume\n"
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture
def library(tmp_path: Path) -> CandleFiles:
    return CandleFiles(tmp_path / "candles")


def write(folder: Path, name: str, days: list[str], price: float = 10.0) -> Path:
    path = folder / name
    rows = "".join(f"{day},{price},{price},{price},{price},1\n" for day in days)
    path.write_text(HEADER + rows, encoding="utf-8")
    return path


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_import_can_be_loaded(library: CandleFiles, tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", ["2020-01-02", "2020-01-03"], price=12.5)
    report = import_files(library, [path], "BTC/USDT", "1d")
    candles = library.load("BTC/USDT", "1d", None, None)
    assert (report.entry.rows, report.entry.symbol) == (2, "BTC/USDT")
    assert candles.close.tolist() == [12.5, 12.5]
    assert candles.fingerprint() == report.entry.fingerprint


def test_several_files_become_one_series_whatever_their_order(
    library: CandleFiles, tmp_path: Path
) -> None:
    late = write(tmp_path, "2021.csv", ["2021-01-04"])
    early = write(tmp_path, "2020.csv", ["2020-12-30", "2020-12-31"])
    entry = import_files(library, [late, early], "X", "1d").entry
    assert (entry.rows, entry.first, entry.last) == (3, day("2020-12-30"), day("2021-01-04"))


def test_files_that_overlap_and_agree_become_one_series(
    library: CandleFiles, tmp_path: Path
) -> None:
    one = write(tmp_path, "one.csv", ["2020-01-02", "2020-01-03", "2020-01-06"])
    two = write(tmp_path, "two.csv", ["2020-01-03", "2020-01-06", "2020-01-07"])
    assert import_files(library, [two, one], "X", "1d").entry.rows == 4


def test_files_that_disagree_are_refused(library: CandleFiles, tmp_path: Path) -> None:
    one = write(tmp_path, "one.csv", ["2020-01-02", "2020-01-06"])
    two = write(tmp_path, "two.csv", ["2020-01-06", "2020-01-07"], price=11.0)
    with pytest.raises(
        ImportRefused, match=r"^two\.csv, row 2: open is 11\.0, and 10\.0 in row 3 of one\.csv$"
    ):
        import_files(library, [one, two], "X", "1d")
    assert library.entries() == []


def test_remarks_name_the_first_file_they_are_about(library: CandleFiles, tmp_path: Path) -> None:
    for name, day_text in (("a.csv", "2020-01-02"), ("b.csv", "2020-01-03")):
        (tmp_path / name).write_text(
            f"date,open,high,low,close\n{day_text},1,1,1,1\n", encoding="utf-8"
        )
    report = import_files(library, [tmp_path / "a.csv", tmp_path / "b.csv"], "X", "1d")
    assert report.notes == ["a.csv: there is no volume; it is 0"]


@pytest.mark.parametrize(
    ("timeframe", "notes"),
    [("1d", []), ("1h", []), ("1w", ["most bars are 1d apart, which is less than 1w"])],
)
def test_bars_closer_than_the_timeframe_are_doubted(
    library: CandleFiles, tmp_path: Path, timeframe: str, notes: list[str]
) -> None:
    path = write(tmp_path, "a.csv", ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"])
    assert import_files(library, [path], "X", timeframe).notes == notes


def test_a_refused_file_leaves_what_was_stored(library: CandleFiles, tmp_path: Path) -> None:
    import_files(library, [write(tmp_path, "good.csv", ["2020-01-02"])], "X", "1d")
    before = library.entries()
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + "2021-01-04,10,9,11,10,1\n", encoding="utf-8")
    good = write(tmp_path, "other.csv", ["2020-06-01"])
    with pytest.raises(ImportRefused, match=r"bad\.csv, row 2: high 9 is below low 11"):
        import_files(library, [good, bad], "X", "1d")
    assert library.entries() == before
    assert len(library.load("X", "1d", None, None)) == 1


def test_a_new_import_replaces_the_series(library: CandleFiles, tmp_path: Path) -> None:
    import_files(library, [write(tmp_path, "a.csv", ["2020-01-02", "2020-01-03"])], "X", "1d")
    held = library.load("X", "1d", None, None)
    import_files(library, [write(tmp_path, "b.csv", ["2022-01-03"], price=7.0)], "X", "1d")
    assert library.load("X", "1d", None, None).close.tolist() == [7.0]
    assert held.close.tolist() == [10.0, 10.0], "a run that has begun keeps its candles"


@pytest.mark.parametrize(
    ("symbol", "timeframe", "complaint"),
    [
        ("", "1d", "symbol ''"),
        ("../X", "1d", "symbol '../X'"),
        ("/X", "1d", "symbol '/X'"),
        ("A B", "1d", "symbol 'A B'"),
        ("X" * 33, "1d", "expected a symbol of 1 to 32"),
        ("X", "2d", "timeframe '2d': expected one of 1m"),
        ("X", "1D", "timeframe '1D'"),
    ],
)
def test_a_name_that_no_job_could_use_is_refused(
    library: CandleFiles, tmp_path: Path, symbol: str, timeframe: str, complaint: str
) -> None:
    path = write(tmp_path, "a.csv", ["2020-01-02"])
    with pytest.raises(ImportRefused, match=r".*") as caught:
        import_files(library, [path], symbol, timeframe)
    assert complaint in str(caught.value)
    assert library.entries() == []


def test_a_missing_file_and_a_folder_are_named(library: CandleFiles, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ImportRefused, match=str(path)):
            import_files(library, [path], "X", "1d")
    with pytest.raises(ImportRefused, match="no file"):
        import_files(library, [], "X", "1d")


def test_a_weekend_is_no_gap_in_a_market_with_sessions(
    library: CandleFiles, tmp_path: Path
) -> None:
    days = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-13"]
    report = import_files(library, [write(tmp_path, "a.csv", days)], "X", "1d")
    assert report.gaps == [Gap(day("2020-01-07"), day("2020-01-13"))]


def test_a_missing_day_is_a_gap_in_a_market_that_never_closes(
    library: CandleFiles, tmp_path: Path
) -> None:
    days = ["2020-01-03", "2020-01-04", "2020-01-05", "2020-01-07"]
    report = import_files(library, [write(tmp_path, "a.csv", days)], "X", "1d")
    assert report.gaps == [Gap(day("2020-01-05"), day("2020-01-07"))]


def test_a_missing_week_is_a_gap_in_weekly_bars(library: CandleFiles, tmp_path: Path) -> None:
    days = ["2020-01-06", "2020-01-13", "2020-01-27"]
    report = import_files(library, [write(tmp_path, "a.csv", days)], "X", "1w")
    assert report.gaps == [Gap(day("2020-01-13"), day("2020-01-27"))]


def test_the_closing_after_september_2001_is_found(library: CandleFiles) -> None:
    report = import_files(library, [SAMPLES / "SPX-1d.csv"], "SPX", "1d")
    assert report.gaps[0] == Gap(day("2001-09-10"), day("2001-09-17"))


def test_a_file_can_be_read_without_storing_it(library: CandleFiles) -> None:
    path = SAMPLES / "SPX-1d.csv"
    candles = read_candles(path, "SPX")
    assert (candles.symbol, candles.timeframe) == ("SPX", "1d")
    assert candles.fingerprint() == import_files(library, [path], "SPX", "1d").entry.fingerprint
    assert read_candles(str(path), "^GSPC", "1w").timeframe == "1w"


def test_a_file_that_cannot_be_read_is_refused_by_its_row(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", ["2020-01-02", "2020-01-03"], price=-1.0)
    with pytest.raises(ImportRefused, match=r"a\.csv, row 2: open"):
        read_candles(path, "X")
    with pytest.raises(ImportRefused, match=r"no\.csv"):
        read_candles(tmp_path / "no.csv", "X")
    with pytest.raises(ImportRefused, match="timeframe '2d': expected one of 1m"):
        read_candles(path, "X", "2d")
    with pytest.raises(ImportRefused, match="symbol 'A B': expected"):
        read_candles(path, "A B")
