"""Finding time, prices and volume among the named columns of a candle file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from worker.candle_rows import PRICE_NAMES, Cell, Refused, shown
from worker.candle_times import joined

#: Names of a column that holds a whole time, the best first.
TIME_NAMES = (
    "timestamp",
    "datetime",
    "opentime",
    "time",
    "date",
    "unix",
    "unixtimestamp",
    "ts",
    "index",
    "indexlevel0",
)

#: What may be called otherwise.
_ALIASES = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vol": "volume"}

#: Shown in a message.
COLUMNS = ("timestamp", *PRICE_NAMES, "volume")

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each of time, open, high, low, close and volume stands in a row."""

    time: int
    time_of_day: int | None
    prices: tuple[int, ...]
    volume: int | None
    notes: list[str]

    def cells(self, record: Sequence[Cell]) -> list[Cell]:
        """Time, open, high, low, close and volume of one row; a missing volume is 0."""
        time = record[self.time]
        if self.time_of_day is not None:
            time = joined(time, record[self.time_of_day])
        volume = 0.0 if self.volume is None else record[self.volume]
        return [time, *(record[place] for place in self.prices), volume]


#: The dumps of data.binance.vision before they had a header: open time, open, high, low, close,
#: volume, close time, quote volume, trades, two taker volumes, and one to ignore.
BINANCE = Columns(
    time=0, time_of_day=None, prices=(1, 2, 3, 4), volume=5, notes=["read as a Binance dump"]
)
BINANCE_WIDTH = 12


def find_columns(header: Sequence[str], row: int | None = None) -> Columns:
    """Read the names of the columns: either case, in any order, whatever separates their words.

    Adjusted closes and other columns that a bar does not have are left out, and noted; so is a
    volume that is not there.

    Raises:
        Refused: a price or the time is missing, or named twice; ``row`` is the header's.
    """
    places: dict[str, int] = {}
    for place, title in enumerate(header):
        name = _plain(title)
        if name in places and name in (*PRICE_NAMES, "volume", *TIME_NAMES):
            raise Refused(f"column {name} is named twice", row)
        places.setdefault(name, place)
    times = [name for name in TIME_NAMES if name in places]
    if not times and header and not header[0].strip():
        places["index"], times = 0, ["index"]
    missing = [] if times else ["timestamp"]
    missing += [name for name in PRICE_NAMES if name not in places]
    if missing:
        raise Refused(_missing(missing, header), row)
    split = {"date", "time"} <= places.keys() and times[0] in ("date", "time")
    time, time_of_day = ("date", places["time"]) if split else (times[0], None)
    volume = _volume(places)
    used = {places[time], time_of_day, volume, *(places[name] for name in PRICE_NAMES)}
    return Columns(
        time=places[time],
        time_of_day=time_of_day,
        prices=tuple(places[name] for name in PRICE_NAMES),
        volume=volume,
        notes=_notes([title for place, title in enumerate(header) if place not in used], volume),
    )


def _plain(title: str) -> str:
    """``<Open>``, `` open `` and ``OPEN`` are one name, and so are ``Open Time``, ``open_time``."""
    name = re.sub(r"[\s_<>\-\"']", "", title).lower()
    return _ALIASES.get(name, name)


def _volume(places: dict[str, int]) -> int | None:
    """``volume``, else the first in a unit of its own (``Volume BTC``), else a count of ticks."""
    if "volume" in places:
        return places["volume"]
    in_units = [place for name, place in places.items() if name.startswith("volume")]
    return in_units[0] if in_units else places.get("tickvol", places.get("tickvolume"))


def _missing(names: Sequence[str], header: Sequence[str]) -> str:
    found = ", ".join(shown(title.strip()) for title in header[:_LISTED])
    return (
        f"no column {' or '.join(names)} among {found}{', …' if len(header) > _LISTED else ''}; "
        f"the first line must name the columns {','.join(COLUMNS)}"
    )


def _notes(ignored: Sequence[str], volume: int | None) -> list[str]:
    notes = []
    if ignored:
        titles = ", ".join(shown(title.strip()) for title in ignored[:_LISTED])
        rest = len(ignored) - _LISTED
        notes.append(f"ignored columns: {titles}{f' and {rest} more' if rest > 0 else ''}")
    if volume is None:
        notes.append("there is no volume; it is 0")
    return notes
