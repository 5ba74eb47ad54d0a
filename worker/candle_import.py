"""Import candle files: everything is checked first, then the stored series is replaced at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.candles import Candles
from engine.timeframes import TIMEFRAMES
from worker.candle_gaps import Gap, find_gaps, usual_step
from worker.candle_joining import Disagreement, NamedRows, join
from worker.candle_reading import read_candle_content, read_candle_file
from worker.candle_rows import Refused, Rows
from worker.ports import CandleEntry, CandleLibrary
from worker.series_names import check_series_name


class ImportRefused(Exception):
    """Nothing was imported; the message names the file and the row."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What is stored now, and what looks odd about it."""

    entry: CandleEntry
    gaps: Sequence[Gap]
    notes: Sequence[str]


def import_files(
    library: CandleLibrary, paths: Sequence[Path], symbol: str, timeframe: str
) -> ImportReport:
    """Replace the stored series by the bars of these files together.

    Several files are put in order by their first bar; where they overlap they must agree.

    Raises:
        ImportRefused: a file or row that cannot be used; what was stored before stays.
    """
    _check_name(symbol, timeframe)
    files = [NamedRows(path.name, _read(path)) for path in paths]
    if not files:
        raise ImportRefused("no file was named")
    return _replace(library, files, symbol, timeframe)


def import_content(
    library: CandleLibrary, content: bytes, symbol: str, timeframe: str, *, most_unpacked: int
) -> ImportReport:
    """The same with what would stand in one file. ``most_unpacked``: bytes, if it is packed.

    Raises:
        ImportRefused: a name or row that cannot be used; what was stored before stays.
    """
    _check_name(symbol, timeframe)
    try:
        rows = read_candle_content(content, most_unpacked)
    except Refused as refused:
        raise ImportRefused(str(refused)) from None
    return _replace(library, [NamedRows("the upload", rows)], symbol, timeframe)


def _check_name(symbol: str, timeframe: str) -> None:
    try:
        check_series_name(symbol, timeframe)
    except ValueError as error:
        raise ImportRefused(str(error)) from None


def _replace(
    library: CandleLibrary, files: Sequence[NamedRows], symbol: str, timeframe: str
) -> ImportReport:
    try:
        times, values = join(files)
    except Disagreement as disagreement:
        raise ImportRefused(str(disagreement)) from None
    candles = Candles(symbol, timeframe, times, *values)
    return ImportReport(
        entry=library.replace(candles),
        gaps=find_gaps(candles),
        notes=[*_notes(files), *_doubts(candles)],
    )


def read_candles(path: str | Path, symbol: str, timeframe: str = "1d") -> Candles:
    """The bars of one file of any format that can be imported, without storing them.

    Raises:
        ImportRefused: a name, file or row that cannot be used.
    """
    _check_name(symbol, timeframe)
    rows = _read(Path(path))
    candles = Candles(symbol, timeframe, rows.times, *rows.values)
    candles.validate()
    return candles


def _read(path: Path) -> Rows:
    try:
        return read_candle_file(path)
    except Refused as refused:
        raise ImportRefused(f"{path.name}, {refused}") from None
    except OSError as error:
        raise ImportRefused(f"{path}: {error.strerror}") from None


def _notes(files: Sequence[NamedRows]) -> list[str]:
    """Each remark once, with the first file that it is about."""
    first: dict[str, str] = {}
    for file in files:
        for note in file.rows.notes:
            first.setdefault(note, file.name)
    return [f"{name}: {note}" for note, name in first.items()]


def _doubts(candles: Candles) -> Iterator[str]:
    step = usual_step(candles)
    if step < TIMEFRAMES[candles.timeframe]:
        yield f"most bars are {_span(step)} apart, which is less than {candles.timeframe}"


def _span(milliseconds: int) -> str:
    names = [name for name, length in TIMEFRAMES.items() if length == milliseconds]
    return names[0] if names else f"{milliseconds / 60_000:g} minutes"
