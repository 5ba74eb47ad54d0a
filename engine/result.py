"""What a run gives back, with the names that clients read.

Returns, drawdowns and rates are fractions, money is in the quote currency, times are
``YYYY-MM-DDTHH:MM:SSZ``. None stands for a figure that does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, TypeAdapter
from pydantic.alias_generators import to_camel

from engine.digest import result_digest, summary_digest
from engine.lists import LazyList, Numbers
from engine.simulation import FloatArray

RegimeName = Literal["uptrend", "downtrend", "sideways"]
OutcomeName = Literal["expiredOTM", "assigned", "calledAway", "closed"]
InstrumentName = Literal["position", "put", "call", "shares"]
SideName = Literal["long", "short"]
ExitReasonName = Literal[
    "signal",
    "stopLoss",
    "takeProfit",
    "trailingStop",
    "endOfData",
    "ruin",
    "expired",
    "assigned",
    "calledAway",
    "closeAtProfit",
    "closeAtDte",
]

#: A document's keys in the order in which clients see them.
DOCUMENT_KEYS = (
    "configUsed",
    "engineVersion",
    "equityCurve",
    "equityTimestamps",
    "totalReturn",
    "maxDrawdown",
    "cyclesCompleted",
    "notes",
    "cycles",
    "regimeSegments",
    "avgCycleReturn",
    "avgCycleDurationDays",
    "assignmentRate",
    "uptrendAvgCycleReturn",
    "downtrendAvgCycleReturn",
    "sidewaysAvgCycleReturn",
    "uptrendAssignmentRate",
    "downtrendAssignmentRate",
    "sidewaysAssignmentRate",
    "metrics",
    "trades",
    "bars",
    "dataFingerprint",
    "truncated",
)
#: Those of them that grow with bars, trades or cycles.
LIST_KEYS = ("equityCurve", "equityTimestamps", "cycles", "regimeSegments", "trades")
#: Metrics that only the wheel has.
WHEEL_KEYS = ("premiumCollected", "assignmentCount", "calledAwayCount")


class ResultModel(BaseModel):
    """A part of a result: made with Python names, written with camelCase ones."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Trade(ResultModel):
    """One holding from its opening to its end. ``quantity`` is in units, options' in contracts.

    ``mae`` and ``mfe`` are the worst and best excursion as fractions of the entry price. Exit
    fields are None while it is open. ``sleeve`` is the position of a portfolio's sleeve.
    """

    instrument: InstrumentName
    entry_index: int
    exit_index: int | None
    entry_time: str
    exit_time: str | None
    side: SideName
    quantity: float
    entry_price: float
    exit_price: float | None
    fees: float
    pnl: float
    trade_return: float = Field(alias="return")
    exit_reason: ExitReasonName | None
    ambiguous: bool
    mae: float
    mfe: float
    strike: float | None = None
    expiry: str | None = None
    sleeve: int | None = None


class CycleStats(ResultModel):
    """From flat to flat. ``duration_days`` is a difference of UTC dates."""

    cycle_id: str
    index: int
    start_equity: float
    end_equity: float
    cycle_return: float
    duration_days: int
    had_assignment: bool
    outcome: OutcomeName | None
    dominant_regime: RegimeName | None
    start_index: int
    end_index: int
    assignment_price: float | None
    assignment_strike: float | None
    called_away_price: float | None
    called_away_strike: float | None
    premium_collected: float | None
    completed: bool
    sleeve: int | None = None


class RegimeSegment(ResultModel):
    """Bars of one regime; both ends belong to it."""

    regime: RegimeName
    start_date: str
    end_date: str
    start_index: int
    end_index: int


class Metrics(ResultModel):
    """Every figure of a run; see ``engine.metrics`` for what they are."""

    total_return: float
    annualized_return: float | None
    cagr: float | None
    annualized_volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    max_drawdown: float
    max_drawdown_days: float
    exposure: float
    trade_count: int
    open_trade_count: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    avg_trade_return: float | None
    best_trade_return: float | None
    worst_trade_return: float | None
    avg_trade_days: float | None
    fees_paid: float
    final_equity: float
    peak_equity: float
    buy_and_hold_return: float
    alpha: float | None
    beta: float | None
    var95: float | None
    cvar95: float | None
    ulcer_index: float
    tail_ratio: float | None
    omega: float | None
    premium_collected: float | None = None
    assignment_count: int | None = None
    called_away_count: int | None = None


@dataclass(frozen=True, slots=True)
class ResultLists:
    """What a result has many of. Rows have the names that clients read."""

    equity: FloatArray
    times: LazyList[str]
    cycles: LazyList[dict[str, Any]]
    regime_segments: LazyList[dict[str, Any]]
    trades: LazyList[dict[str, Any]]


class BacktestResult(ResultModel):
    """What a run gives back, complete: no list is cut here, so ``truncated`` is empty.

    ``equity_curve`` (money, marked at the close) and ``equity_timestamps`` (opening times) have
    one value a bar. ``…_index`` of trades, cycles and regimes count these bars from 0. Averages
    and rates are over completed cycles, 0.0 where there are none. ``config_used`` is the config
    with every default filled in. The attributes have Python names, :meth:`to_document` gives the
    names that clients read.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        ignored_types=(cached_property,),
        arbitrary_types_allowed=True,
    )

    config_used: dict[str, Any]
    engine_version: str
    total_return: float
    max_drawdown: float
    cycles_completed: int
    notes: list[str]
    avg_cycle_return: float
    avg_cycle_duration_days: float
    assignment_rate: float
    uptrend_avg_cycle_return: float
    downtrend_avg_cycle_return: float
    sideways_avg_cycle_return: float
    uptrend_assignment_rate: float
    downtrend_assignment_rate: float
    sideways_assignment_rate: float
    metrics: Metrics
    bars: int
    data_fingerprint: str
    truncated: dict[str, int] = Field(default_factory=dict)
    lists: SkipValidation[ResultLists] = Field(exclude=True)

    @cached_property
    def equity_curve(self) -> list[float]:
        """The account at each bar's close."""
        numbers: list[float] = self.lists.equity.tolist()
        return numbers

    @cached_property
    def equity_timestamps(self) -> list[str]:
        """When each bar opened."""
        return list(self.lists.times)

    @cached_property
    def cycles(self) -> list[CycleStats]:
        """In order of their start."""
        return _CYCLES.validate_python(list(self.lists.cycles))

    @cached_property
    def regime_segments(self) -> list[RegimeSegment]:
        """All bars that have a regime, in order."""
        return _SEGMENTS.validate_python(list(self.lists.regime_segments))

    @cached_property
    def trades(self) -> list[Trade]:
        """In order of their entry."""
        return _TRADES.validate_python(list(self.lists.trades))

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """What a notebook shows: the main figures instead of every bar."""
        yield "strategy_id", self.config_used["strategyId"]
        yield "symbol", self.config_used["symbol"]
        yield "bars", self.bars
        yield "trades", len(self.lists.trades)
        yield "total_return", self.total_return
        yield "sharpe", self.metrics.sharpe
        yield "max_drawdown", self.max_drawdown

    def __eq__(self, other: object) -> bool:
        """Whether the documents are the same."""
        if not isinstance(other, BacktestResult):
            return NotImplemented
        return self is other or self.to_document() == other.to_document()

    def to_document(self) -> dict[str, Any]:
        """The whole result as JSON-ready data. Keys that a trade does not have are left out."""
        document = self.to_outline()
        for name in LIST_KEYS:
            document[name] = list(document[name])
        return document

    def to_outline(self) -> dict[str, Any]:
        """As :meth:`to_document`, but long lists are sequences that are made as they are read.

        For those who read parts of them: a year of minutes takes most of its time and memory.
        """
        lists = self.lists
        fields = {
            **self.model_dump(by_alias=True),
            "equityCurve": Numbers(lists.equity),
            "equityTimestamps": lists.times,
            "cycles": lists.cycles,
            "regimeSegments": lists.regime_segments,
            "trades": lists.trades,
        }
        for key in WHEEL_KEYS:
            if fields["metrics"][key] is None:
                del fields["metrics"][key]
        return {name: fields[name] for name in DOCUMENT_KEYS}

    @cached_property
    def result_digest(self) -> str:
        """Over everything that the numbers are, and nothing else: ``sha256:…``."""
        return result_digest({**self.to_outline(), "equityCurve": self.lists.equity})

    @cached_property
    def summary_digest(self) -> str:
        """Over the metrics that a sweep's variant has too: ``sha256:…``."""
        return summary_digest(self.data_fingerprint, self.metrics.model_dump(by_alias=True))


_TRADES = TypeAdapter(list[Trade])
_CYCLES = TypeAdapter(list[CycleStats])
_SEGMENTS = TypeAdapter(list[RegimeSegment])
