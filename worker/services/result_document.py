"""The result as it is stored: cut to what a document may hold, the rest beside it as artifacts.

Figures and digests were computed from the complete series before anything is cut here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.lists import LazyList
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.states import EnumStyle
from worker.services.document_size import document_size, value_size
from worker.services.downsampling import keep_extremes

COLLECTION = "backtestResults"
MAX_BYTES = 900 * 1024
#: Room for the record's fields beside ``backtestResult``: ids, digests, four artifacts' addresses.
ENVELOPE_BYTES = 8 * 1024

#: The longest lists a document carries, before its size is looked at.
MAX_POINTS = 2_000
MAX_ROWS = 1_000
#: How much of the largest list stays when the document is still too large, and when to give up.
SHRINK = 0.8
FEWEST = 2

Columns = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDocument:
    """``backtest_result`` for the store, and the complete series that did not fit, by name.

    A series is made when it is asked for, since not everybody wants to keep it.
    """

    backtest_result: Mapping[str, Any]
    complete: Mapping[str, Columns]


@dataclass(frozen=True, slots=True)
class _Cut:
    """One list of the result that may be cut: how to read it, write it and make it shorter."""

    name: str
    most: int
    path: tuple[str, ...]
    is_curve: bool
    #: Lists with one entry for each of this one's.
    beside: tuple[str, ...] = ()


_CUTS = (
    _Cut("equityCurve", MAX_POINTS, (), True, ("equityTimestamps",)),
    _Cut("pricePath", MAX_POINTS, ("configUsed",), True),
    _Cut("trades", MAX_ROWS, (), False),
    _Cut("cycles", MAX_ROWS, (), False),
    _Cut("regimeSegments", MAX_ROWS, (), False),
)


def build_result_document(
    job_id: str, result: Mapping[str, Any], enum_style: EnumStyle = EnumStyle.PLAIN
) -> ResultDocument:
    """Cut a complete result, or its outline, so that its document stays under 900 KiB.

    Curves are thinned with their extremes kept, tables keep their first rows; ``truncated`` names
    every shortened list with its full length.

    Raises:
        JobFailure: RESULT_TOO_LARGE, when even the shortest lists do not make it fit.
    """
    limits = {cut.name: cut.most for cut in _CUTS}
    document = _spelled(_shortened(result, limits), enum_style)
    while _size(job_id, document) > MAX_BYTES - ENVELOPE_BYTES:
        largest = max(_CUTS, key=lambda cut: _weight(document, cut))
        length = len(_holder(document, cut=largest)[largest.name])
        if length <= FEWEST:
            raise JobFailure(
                ErrorCode.RESULT_TOO_LARGE,
                "The result does not fit a document even without its lists. Shorten the "
                "configuration.",
            )
        limits[largest.name] = max(FEWEST, int(length * SHRINK))
        document = _spelled(_shortened(result, limits), enum_style)
    return ResultDocument(
        backtest_result=document,
        complete=_Complete(result, [name for name in _ARTIFACTS if name in document["truncated"]]),
    )


def _shortened(result: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, Any]:
    document = dict(result)
    document["configUsed"] = dict(result["configUsed"])
    truncated: dict[str, int] = {}
    for cut in _CUTS:
        holder = _holder(document, cut)
        full = holder.get(cut.name) or []
        most = limits[cut.name]
        names = [name for name in (cut.name, *cut.beside) if name in holder]
        if len(full) <= most:
            # Empty ones too: no store knows the engine's own kind of list.
            whole = {name: list(holder[name]) for name in names if holder[name] is not None}
            holder.update(whole)
            continue
        kept = keep_extremes(full, most) if cut.is_curve else range(most)
        for name in names:
            truncated[name] = len(full)
            holder[name] = _at(holder[name], kept)
    document["truncated"] = truncated
    return document


def _at(full: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return full.at(places) if isinstance(full, LazyList) else [full[place] for place in places]


def _holder(document: Mapping[str, Any], cut: _Cut) -> Any:
    holder: Any = document
    for key in cut.path:
        holder = holder[key]
    return holder


def _weight(document: Mapping[str, Any], cut: _Cut) -> int:
    holder = _holder(document, cut)
    return sum(value_size(holder.get(name) or []) for name in (cut.name, *cut.beside))


def _size(job_id: str, document: Mapping[str, Any]) -> int:
    return document_size(COLLECTION, job_id, {"backtestResult": document})


def _spelled(document: dict[str, Any], enum_style: EnumStyle) -> dict[str, Any]:
    """Enumerations as the job's client compares them: plain, or whole as Dart prints them."""
    if enum_style is EnumStyle.PLAIN:
        return document
    document["cycles"] = [
        {
            **cycle,
            "outcome": _dart("CycleOutcome", cycle["outcome"]),
            "dominantRegime": _dart("MarketRegime", cycle["dominantRegime"]),
        }
        for cycle in document["cycles"]
    ]
    document["regimeSegments"] = [
        {**segment, "regime": _dart("MarketRegime", segment["regime"])}
        for segment in document["regimeSegments"]
    ]
    return document


def _dart(enumeration: str, value: str | None) -> str | None:
    return None if value is None else f"{enumeration}.{value}"


def _equity_columns(result: Mapping[str, Any]) -> Columns:
    return {"time": result["equityTimestamps"], "equity": result["equityCurve"]}


def _price_columns(result: Mapping[str, Any]) -> Columns:
    return {"close": result["configUsed"]["pricePath"]}


def _table_columns(name: str) -> Callable[[Mapping[str, Any]], Columns]:
    def columns(result: Mapping[str, Any]) -> Columns:
        rows = list(result[name])
        names = dict.fromkeys(key for row in rows for key in row)
        return {key: [row.get(key) for row in rows] for key in names}

    return columns


_ARTIFACTS: Mapping[str, Callable[[Mapping[str, Any]], Columns]] = {
    "equityCurve": _equity_columns,
    "trades": _table_columns("trades"),
    "cycles": _table_columns("cycles"),
    "pricePath": _price_columns,
}


class _Complete(Mapping[str, Columns]):
    """The artifacts of these names, each made when it is read."""

    def __init__(self, result: Mapping[str, Any], names: Sequence[str]) -> None:
        self._result = result
        self._names = names

    def __getitem__(self, name: str) -> Columns:
        if name not in self._names:
            raise KeyError(name)
        return _ARTIFACTS[name](self._result)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
