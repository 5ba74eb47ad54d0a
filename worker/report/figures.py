"""Every metric by its name for people, with its unit and what it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.report.wording import count, days, money, number, percent

Show = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of a result: its key, its name, how it is written, what it says."""

    key: str
    name: str
    show: Show
    meaning: str


GROUPS: Mapping[str, Sequence[Figure]] = {
    "Return": (
        Figure("finalEquity", "Final equity", money, "quote currency, at the last close"),
        Figure("peakEquity", "Highest equity", money, "quote currency, at a close"),
        Figure("totalReturn", "Total return", percent, "of the starting capital"),
        Figure("buyAndHoldReturn", "Buy and hold", percent, "of the same candles, without costs"),
        Figure("annualizedReturn", "Annualized return", percent, "a year, by bars"),
        Figure("cagr", "CAGR", percent, "a year, by the calendar"),
        Figure("alpha", "Alpha", percent, "a year, against buy and hold"),
        Figure("beta", "Beta", number, "against buy and hold"),
    ),
    "Risk": (
        Figure("annualizedVolatility", "Volatility", percent, "a year"),
        Figure("maxDrawdown", "Max drawdown", percent, "below the highest equity before"),
        Figure("maxDrawdownDays", "Longest drawdown", days, "below a former peak"),
        Figure("ulcerIndex", "Ulcer index", percent, "root of the mean squared drawdown"),
        Figure("sharpe", "Sharpe", number, "annual return ÷ volatility"),
        Figure("sortino", "Sortino", number, "annual return ÷ downside volatility"),
        Figure("calmar", "Calmar", number, "annual return ÷ max drawdown"),
        Figure("omega", "Omega", number, "gains ÷ losses, by bars"),
        Figure("tailRatio", "Tail ratio", number, "best 5 % of bars ÷ worst 5 %"),
        Figure("var95", "Value at risk", percent, "a bar's loss is worse in 5 % of bars"),
        Figure("cvar95", "Expected shortfall", percent, "the average of those 5 %"),
    ),
    "Trades": (
        Figure("tradeCount", "Closed trades", count, "round trips"),
        Figure("openTradeCount", "Open trades", count, "at the last close"),
        Figure("exposure", "Exposure", percent, "of bars with a position"),
        Figure("winRate", "Win rate", percent, "of closed trades"),
        Figure("profitFactor", "Profit factor", number, "gains ÷ losses"),
        Figure("expectancy", "Expectancy", money, "quote currency, a closed trade"),
        Figure("avgTradeReturn", "Average trade", percent, "of what was put in"),
        Figure("bestTradeReturn", "Best trade", percent, "of what was put in"),
        Figure("worstTradeReturn", "Worst trade", percent, "of what was put in"),
        Figure("avgTradeDays", "Average holding", days, "a closed trade"),
        Figure("feesPaid", "Fees", money, "quote currency, all sides"),
    ),
    "Options": (
        Figure("premiumCollected", "Premium collected", money, "quote currency, model values"),
        Figure("assignmentCount", "Assignments", count, "puts that became shares"),
        Figure("calledAwayCount", "Called away", count, "shares that a call took"),
    ),
}

#: What is shown large.
HEADLINE = ("finalEquity", "totalReturn", "cagr", "maxDrawdown", "sharpe", "tradeCount")

_BY_KEY = {figure.key: figure for group in GROUPS.values() for figure in group}


def headline(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of the main figures."""
    return [(_BY_KEY[key].name, _BY_KEY[key].show(metrics.get(key))) for key in HEADLINE]


def groups(metrics: Mapping[str, Any]) -> list[tuple[str, Sequence[Figure]]]:
    """The groups of which a result has any figure."""
    return [
        (name, [figure for figure in group if figure.key in metrics])
        for name, group in GROUPS.items()
        if any(figure.key in metrics for figure in group)
    ]
