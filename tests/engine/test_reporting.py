"""From a hand-made account to the document that clients read."""

import json
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.lists import LazyList
from engine.metrics import Market
from engine.regimes import RegimeRule
from engine.reporting import Run, report
from engine.result import BacktestResult
from engine.simulation import ExitReason, Instrument, Outcome, Side, Simulation, WheelTotals
from tests.support.accounts import OPEN, account
from tests.support.markets import every

CLOSES = [100.0, 101.0, 106.0, 106.0, 100.0, 100.0]


def reported(simulation: Simulation, closes: Sequence[float] = CLOSES, **changes: Any) -> Run:
    settings = {
        "config_used": {"symbol": "SPY"},
        "engine_version": "1.0.0",
        "starting_capital": 100.0,
        "simulation": simulation,
        "market": Market(times=every("1d", len(closes)), close=np.array(closes)),
        "regime_rule": RegimeRule.model_validate({"lookback": 2}),
        "bars_per_year": 252.0,
        "data_fingerprint": "sha256:data",
    }
    return Run(**{**settings, **changes})


def document(simulation: Simulation, **changes: Any) -> dict[str, Any]:
    return report(reported(simulation, **changes)).to_document()


def test_the_document_has_the_names_that_clients_read() -> None:
    found = document(account(CLOSES, [{}], [{}]))
    assert list(found) == [
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
    ]
    assert set(found["trades"][0]) == {
        *("instrument", "entryIndex", "exitIndex", "entryTime", "exitTime", "side", "quantity"),
        *("entryPrice", "exitPrice", "fees", "pnl", "return", "exitReason", "ambiguous"),
        *("mae", "mfe"),
    }
    assert set(found["cycles"][0]) == {
        *("cycleId", "index", "startEquity", "endEquity", "cycleReturn", "durationDays"),
        *("hadAssignment", "outcome", "dominantRegime", "startIndex", "endIndex"),
        *("assignmentPrice", "assignmentStrike", "calledAwayPrice", "calledAwayStrike"),
        *("premiumCollected", "completed"),
    }
    assert set(found["regimeSegments"][0]) == {
        *("regime", "startDate", "endDate", "startIndex", "endIndex"),
    }
    assert set(found["metrics"]) == {
        *("totalReturn", "annualizedReturn", "cagr", "annualizedVolatility", "sharpe", "sortino"),
        *("calmar", "maxDrawdown", "maxDrawdownDays", "exposure", "tradeCount"),
        *("openTradeCount", "winRate", "profitFactor", "expectancy", "avgTradeReturn"),
        *("bestTradeReturn", "worstTradeReturn", "avgTradeDays", "feesPaid", "finalEquity"),
        *("peakEquity", "buyAndHoldReturn", "alpha", "beta", "var95", "cvar95", "ulcerIndex"),
        *("tailRatio", "omega"),
    }


def test_the_document_is_plain_json_without_nan() -> None:
    cycle = {"completed": False, "end_index": 0}
    found = document(account([100.0], [OPEN], [cycle]), closes=[5.0])
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_curve_and_times_go_together() -> None:
    found = document(account(CLOSES))
    assert found["equityCurve"] == CLOSES
    assert found["equityTimestamps"][0] == "2020-01-01T00:00:00Z"
    assert found["equityTimestamps"][-1] == "2020-01-06T00:00:00Z"
    assert found["bars"] == 6
    assert found["totalReturn"] == found["metrics"]["totalReturn"] == 0.0
    assert found["maxDrawdown"] == found["metrics"]["maxDrawdown"]


def test_regimes_are_told_with_their_dates() -> None:
    segments = document(account(CLOSES))["regimeSegments"]
    assert segments == [
        {
            "regime": regime,
            "startDate": f"2020-01-0{start + 1}T00:00:00Z",
            "endDate": f"2020-01-0{end + 1}T00:00:00Z",
            "startIndex": start,
            "endIndex": end,
        }
        for regime, start, end in [("uptrend", 2, 3), ("downtrend", 4, 5)]
    ]


def test_a_closed_trade() -> None:
    row = {"side": Side.SHORT, "entry_index": 2, "exit_index": 5, "ambiguous": True}
    row["exit_reason"] = ExitReason.STOP_LOSS
    (trade,) = document(account(CLOSES, [row]))["trades"]
    assert trade == {
        "instrument": "position",
        "entryIndex": 2,
        "exitIndex": 5,
        "entryTime": "2020-01-03T00:00:00Z",
        "exitTime": "2020-01-06T00:00:00Z",
        "side": "short",
        "quantity": 1.0,
        "entryPrice": 100.0,
        "exitPrice": 110.0,
        "fees": 0.0,
        "pnl": 10.0,
        "return": 0.1,
        "exitReason": "stopLoss",
        "ambiguous": True,
        "mae": -0.01,
        "mfe": 0.12,
    }


def test_an_open_trade_has_no_exit_but_its_marked_profit() -> None:
    (trade,) = document(account(CLOSES, [{**OPEN, "pnl": 5.0}]))["trades"]
    for name in ("exitIndex", "exitTime", "exitPrice", "exitReason"):
        assert trade[name] is None, name
    assert trade["pnl"] == 5.0


@pytest.mark.parametrize("instrument", [Instrument.PUT, Instrument.CALL])
def test_options_tell_strike_and_expiry(instrument: Instrument) -> None:
    row = {"instrument": instrument, "strike": 95.0, "expiry": 18_275}
    (trade,) = document(account(CLOSES, [row]))["trades"]
    assert trade["instrument"] == instrument.name.lower()
    assert trade["strike"] == 95.0
    assert trade["expiry"] == "2020-01-14T00:00:00Z"


def test_shares_have_neither_strike_nor_expiry() -> None:
    row = {"instrument": Instrument.SHARES, "strike": 95.0, "expiry": 18_275}
    (trade,) = document(account(CLOSES, [row]))["trades"]
    assert trade["instrument"] == "shares"
    assert "strike" not in trade
    assert "expiry" not in trade


@pytest.mark.parametrize("reason", list(ExitReason))
def test_every_exit_reason_has_its_name(reason: ExitReason) -> None:
    (trade,) = document(account(CLOSES, [{"exit_reason": reason}]))["trades"]
    words = reason.name.lower().split("_")
    expected = words[0] + "".join(word.capitalize() for word in words[1:])
    assert trade["exitReason"] == (None if reason is ExitReason.OPEN else expected)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome.NONE, None),
        (Outcome.EXPIRED_OTM, "expiredOTM"),
        (Outcome.ASSIGNED, "assigned"),
        (Outcome.CALLED_AWAY, "calledAway"),
        (Outcome.CLOSED, "closed"),
    ],
)
def test_every_outcome_has_its_name(outcome: Outcome, name: str | None) -> None:
    assert document(account(CLOSES, [], [{"outcome": outcome}]))["cycles"][0]["outcome"] == name


def test_cycles_are_numbered_from_zero_with_unique_ids() -> None:
    rows = [{"start_index": bar, "end_index": bar + 1} for bar in (0, 2, 4)]
    found = document(account(CLOSES, [], rows))["cycles"]
    assert [cycle["index"] for cycle in found] == [0, 1, 2]
    assert [cycle["cycleId"] for cycle in found] == ["000000", "000001", "000002"]
    assert [cycle["dominantRegime"] for cycle in found] == [None, "uptrend", "downtrend"]


def test_a_cycle_with_its_assignment() -> None:
    row = {
        "had_assignment": True,
        "assignment_price": 94.0,
        "assignment_strike": 95.0,
        "premium_collected": 120.0,
    }
    (cycle,) = document(account(CLOSES, [], [row]))["cycles"]
    assert cycle["hadAssignment"] is True
    assert cycle["assignmentPrice"] == 94.0
    assert cycle["assignmentStrike"] == 95.0
    assert cycle["calledAwayPrice"] is None
    assert cycle["premiumCollected"] == 120.0


def test_averages_count_completed_cycles() -> None:
    rows = [
        {"start_index": 2, "end_index": 3, "end_equity": 110.0},
        {"start_index": 4, "end_index": 5, "end_equity": 90.0, "had_assignment": True},
        {"start_index": 5, "end_index": 5, "completed": False},
    ]
    found = document(account(CLOSES, [], rows))
    assert found["cyclesCompleted"] == 2
    assert found["avgCycleReturn"] == pytest.approx(0.0, abs=1e-15)
    assert found["avgCycleDurationDays"] == 1.0
    assert found["assignmentRate"] == 0.5
    assert found["uptrendAvgCycleReturn"] == pytest.approx(0.1)
    assert found["downtrendAvgCycleReturn"] == pytest.approx(-0.1)
    assert found["sidewaysAvgCycleReturn"] == 0.0
    assert found["uptrendAssignmentRate"] == 0.0
    assert found["downtrendAssignmentRate"] == 1.0
    assert found["sidewaysAssignmentRate"] == 0.0


def test_the_wheel_has_three_more_metrics() -> None:
    totals = WheelTotals(premium_collected=12.5, assignment_count=2, called_away_count=1)
    found = document(account(CLOSES, wheel=totals))["metrics"]
    assert found["premiumCollected"] == 12.5
    assert found["assignmentCount"] == 2
    assert found["calledAwayCount"] == 1


@pytest.mark.parametrize(
    ("count", "rest"),
    [(500, []), (501, ["1 more note is left out."]), (800, ["300 more notes are left out."])],
)
def test_notes_beyond_five_hundred_are_counted(count: int, rest: list[str]) -> None:
    notes = document(account(CLOSES, notes=[f"note {n}" for n in range(count)]))["notes"]
    assert notes[499] == "note 499"
    assert notes[500:] == rest


def test_numbers_are_floats_and_counts_are_integers() -> None:
    found = document(account(CLOSES, [{}], [{}]))
    assert type(found["metrics"]["tradeCount"]) is int
    assert type(found["metrics"]["maxDrawdownDays"]) is float
    assert type(found["cycles"][0]["durationDays"]) is int
    assert type(found["avgCycleDurationDays"]) is float
    assert {type(value) for value in found["equityCurve"]} == {float}


def test_no_number_is_minus_zero() -> None:
    row = {"pnl": -0.0, "trade_return": -0.0, "mae": -0.0, "fees": -0.0}
    found = document(account([100.0, 100.0], [row]), closes=[5.0, 5.0])
    numbers = [value for value in found["trades"][0].values() if isinstance(value, float)]
    numbers += [value for value in found["metrics"].values() if isinstance(value, float)]
    assert all(math.copysign(1.0, value) == 1.0 for value in numbers if value == 0.0)


def test_sleeves_are_told_only_where_there_are_some() -> None:
    run = reported(account(CLOSES, [{}, {}], [{}]), trade_sleeves=[1, 0], cycle_sleeves=[1])
    found = report(run).to_document()
    assert [trade["sleeve"] for trade in found["trades"]] == [1, 0]
    assert found["cycles"][0]["sleeve"] == 1


def test_twenty_thousand_trades_are_told_as_they_are() -> None:
    rows = [{"entry_index": n % 5, "exit_index": n % 5 + 1, "pnl": float(n)} for n in range(20_000)]
    result: BacktestResult = report(reported(account(CLOSES, rows)))
    assert len(result.trades) == 20_000
    assert result.to_document()["trades"][19_999]["pnl"] == 19_999.0


def test_the_outline_is_the_document_with_lists_still_to_be_made() -> None:
    simulation = account(CLOSES, [{}, {"instrument": Instrument.PUT, "strike": 9.0}], [{}])
    result = report(reported(simulation, trade_sleeves=[1, 0]))
    outline, full = result.to_outline(), result.to_document()
    assert list(outline) == list(full)
    lazy = {name for name, value in outline.items() if isinstance(value, LazyList)}
    assert lazy == {"equityCurve", "equityTimestamps", "cycles", "regimeSegments", "trades"}
    assert {**outline, **{name: list(outline[name]) for name in lazy}} == full
    assert outline["trades"][1] == full["trades"][1]


def test_attributes_tell_what_the_document_tells() -> None:
    result = report(reported(account(CLOSES, [{}, OPEN], [{}])))
    found = result.to_document()
    assert result.equity_curve == found["equityCurve"]
    assert result.equity_timestamps == found["equityTimestamps"]
    assert [trade.pnl for trade in result.trades] == [trade["pnl"] for trade in found["trades"]]
    assert result.trades[1].exit_index is None
    assert result.cycles[0].cycle_id == found["cycles"][0]["cycleId"]
    (first, _) = result.regime_segments
    assert (first.regime, first.start_date) == ("uptrend", found["regimeSegments"][0]["startDate"])


def test_results_are_equal_when_their_documents_are() -> None:
    one, same = (report(reported(account(CLOSES, [{}]))) for _ in range(2))
    other = report(reported(account(CLOSES, [{"pnl": 3.0}])))
    assert one == same
    assert one != other
    assert one != "a result"


def test_a_result_can_be_sent_to_another_process() -> None:
    result = report(reported(account(CLOSES, [{}], [{}])))
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert again.result_digest == result.result_digest
