"""How an option ends: at its expiry, bought back, or assigned early."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.support.plain_wheel import black_scholes
from tests.support.wheel_runs import cycles, every_day, run, trades

THREE = {"dte": 3}


def endings(parameters: dict[str, Any], closes: list[float], **kwargs: Any) -> list[Any]:
    return [
        (trade["instrument"], trade["exitIndex"], trade["exitReason"])
        for trade in trades(run(parameters, closes, **kwargs))
    ]


def test_a_put_out_of_the_money_expires() -> None:
    simulation = run(THREE, [100.0, 90.0, 95.0, 100.01, 100.01])
    put = trades(simulation)[0]
    assert (put["exitIndex"], put["exitReason"], put["exitPrice"]) == (3, "expired", 0.0)
    assert put["pnl"] == pytest.approx(100 * put["entryPrice"])
    assert put["return"] == pytest.approx(put["entryPrice"] / 100.0)
    assert simulation.equity[3] == pytest.approx(10_000.0 + 100 * put["entryPrice"])
    assert cycles(simulation)[0]["outcome"] == "expiredOTM"


def test_a_put_at_or_in_the_money_is_assigned_at_its_strike() -> None:
    simulation = run(THREE, [100.0, 110.0, 110.0, 97.0])
    put, shares = trades(simulation)
    assert (put["exitIndex"], put["exitReason"], put["exitPrice"]) == (3, "assigned", 0.0)
    assert (shares["side"], shares["quantity"], shares["entryIndex"]) == (1, 100.0, 3)
    assert shares["entryPrice"] == 100.0
    assert shares["exitIndex"] is None
    assert shares["pnl"] == pytest.approx(-300.0)
    assert shares["return"] == pytest.approx(-0.03)
    assert simulation.equity[3] == pytest.approx(10_000.0 + 100 * put["entryPrice"] - 300.0)
    assert simulation.wheel is not None
    assert simulation.wheel.assignment_count == 1


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (100.0, "assigned"),
        (100.0 + 0.9e-7, "assigned"),
        (100.0 + 1.1e-7, "expired"),
        (100.0 - 1e-7, "assigned"),
    ],
)
def test_a_put_within_a_billionth_of_its_strike_touches_it(close: float, reason: str) -> None:
    assert endings({"dte": 1}, [100.0, close])[0] == ("put", 1, reason)


@pytest.mark.parametrize(
    ("close", "reason"),
    [
        (100.0, "calledAway"),
        (100.0 - 0.9e-7, "calledAway"),
        (100.0 - 1.1e-7, "expired"),
        (100.0 + 1e-7, "calledAway"),
    ],
)
def test_a_call_within_a_billionth_of_its_strike_touches_it(close: float, reason: str) -> None:
    parameters = {"dte": 1, "call": {"moneyness": 0.0}}
    assert endings(parameters, [100.0, 100.0, 100.0, close])[2] == ("call", 3, reason)


def test_shares_called_away_complete_one_long_trade_from_strike_to_strike() -> None:
    parameters = {"dte": 1, "assignmentFee": 7.0}
    simulation = run(parameters, [100.0, 95.0, 96.0, 105.0])
    put, shares, call = trades(simulation)
    assert call["strike"] == pytest.approx(97.92)
    assert (shares["entryIndex"], shares["exitIndex"]) == (1, 3)
    assert shares["exitReason"] == call["exitReason"] == "calledAway"
    assert (shares["entryPrice"], shares["exitPrice"]) == (100.0, call["strike"])
    assert shares["fees"] == 14.0
    assert put["fees"] == call["fees"] == 0.0
    assert shares["pnl"] == pytest.approx((97.92 - 100.0) * 100 - 14.0)
    assert shares["return"] == pytest.approx(shares["pnl"] / 10_000.0)
    assert simulation.fees_paid == 14.0
    premiums = 100 * (put["entryPrice"] + call["entryPrice"])
    assert simulation.equity[3] == pytest.approx(10_000.0 + premiums - 208.0 - 14.0)


def test_a_call_that_expires_leaves_the_shares() -> None:
    simulation = run({"dte": 1}, [100.0, 95.0, 96.0, 90.0, 90.0])
    assert endings({"dte": 1}, [100.0, 95.0, 96.0, 90.0, 90.0])[2:] == [
        ("call", 3, "expired"),
        ("call", None, None),
    ]
    assert len(simulation.cycles) == 1
    assert cycles(simulation)[0]["outcome"] == "assigned"


def test_an_expiry_without_a_bar_settles_on_the_next_bar() -> None:
    dates = [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 9)]
    assert endings(THREE, [100.0, 99.0, 103.0], dates=dates) == [("put", 2, "expired")]


def test_an_expiry_settles_on_the_first_intraday_bar_of_its_day() -> None:
    start = datetime(2024, 1, 1, 18, tzinfo=UTC)
    moments = [start + timedelta(hours=6 * n) for n in range(8)]
    closes = [100.0, 101.0, 101.0, 101.0, 101.0, 99.0, 99.0, 99.0]
    assert endings({"dte": 2}, closes, dates=moments)[0] == ("put", 5, "assigned")


def test_a_bar_that_settles_opens_nothing() -> None:
    rising = [100.0 + bar for bar in range(7)]
    sold = trades(run({"dte": 1}, rising, capital=50_000.0))
    assert [(trade["entryIndex"], trade["exitIndex"]) for trade in sold] == [
        (0, 1),
        (2, 3),
        (4, 5),
        (6, None),
    ]


def test_a_bar_that_buys_back_opens_nothing() -> None:
    parameters = {"dte": 30, "closeAtDte": 29}
    sold = trades(run(parameters, [100.0] * 5, capital=50_000.0))
    assert [(trade["entryIndex"], trade["exitIndex"]) for trade in sold] == [
        (0, 1),
        (2, 3),
        (4, None),
    ]


def test_close_at_profit_compares_model_values_before_the_spread() -> None:
    closes = [100.0, 104.0, 108.0, 112.0, 112.0]
    parameters = {"closeAtProfit": 0.5, "spread": 0.2, "commissionPerContract": 1.0}
    put = trades(run(parameters, closes))[0]
    values = [
        black_scholes("put", close, 100.0, (30 - bar) / 365, 0, 0, 0.25)
        for bar, close in enumerate(closes)
    ]
    first = next(bar for bar in range(1, 5) if values[bar] <= 0.5 * values[0])
    assert first == 1 or values[first - 1] > 0.5 * values[0]
    assert (put["exitIndex"], put["exitReason"]) == (first, "closeAtProfit")
    assert put["entryPrice"] == pytest.approx(0.8 * values[0], rel=1e-9)
    assert put["exitPrice"] == pytest.approx(1.2 * values[first], rel=1e-9)
    assert put["fees"] == 2.0
    assert put["pnl"] == pytest.approx(100 * (put["entryPrice"] - put["exitPrice"]) - 2.0)


def test_close_at_profit_never_acts_on_the_bar_of_the_sale() -> None:
    """A zero value is at most any part of itself, but only a later bar may buy back."""
    parameters = {"closeAtProfit": 0.5, "put": {"moneyness": 0.99}, "dte": 2}
    assert endings(parameters, [100.0, 100.0])[0] == ("put", 1, "closeAtProfit")


def test_close_at_dte_buys_back_when_that_few_days_are_left() -> None:
    parameters = {"dte": 10, "closeAtDte": 7, "spread": 0.05}
    put = trades(run(parameters, [100.0] * 6, capital=50_000.0))[0]
    assert (put["exitIndex"], put["exitReason"]) == (3, "closeAtDte")
    value = black_scholes("put", 100.0, 100.0, 7 / 365, 0, 0, 0.25)
    assert put["exitPrice"] == pytest.approx(1.05 * value, rel=1e-9)


def test_profit_is_looked_at_before_days() -> None:
    parameters = {"dte": 10, "closeAtDte": 9, "closeAtProfit": 0.5}
    assert endings(parameters, [100.0, 120.0])[0] == ("put", 1, "closeAtProfit")


def test_settlement_comes_before_buying_back() -> None:
    parameters = {"dte": 1, "closeAtDte": 5, "closeAtProfit": 0.1}
    assert endings(parameters, [100.0, 120.0])[0] == ("put", 1, "expired")


def test_closing_at_zero_days_leaves_it_to_the_expiry() -> None:
    assert endings({"dte": 2, "closeAtDte": 0}, [100.0, 99.0, 101.0]) == [("put", 2, "expired")]


def test_a_put_bought_back_closes_its_cycle() -> None:
    simulation = run({"dte": 10, "closeAtDte": 7}, [100.0] * 4)
    cycle = cycles(simulation)[0]
    assert (cycle["outcome"], cycle["endIndex"], cycle["completed"]) == ("closed", 3, True)
    assert not cycle["hadAssignment"]


#: From Thursday 4 January: a put that expires on Friday, then a call for the Friday after.
FRIDAYS = {"dte": {"target": 1, "min": 1, "max": 7, "expiries": "weekly"}, "closeAtDte": 3}


def test_a_call_bought_back_keeps_the_shares() -> None:
    dates = every_day(7, date(2024, 1, 4))
    simulation = run(FRIDAYS, [100.0] + [99.0] * 6, dates=dates)
    assert [(t["instrument"], t["entryIndex"], t["exitReason"]) for t in trades(simulation)] == [
        ("put", 0, "assigned"),
        ("shares", 1, None),
        ("call", 2, "closeAtDte"),
        ("call", 6, None),
    ]
    assert [cycle["outcome"] for cycle in cycles(simulation)] == ["assigned"]


def test_a_buy_back_that_cash_cannot_pay_is_skipped_and_noted() -> None:
    """All cash went into the shares; the call then costs far more than the premiums left."""
    dates = every_day(9, date(2024, 1, 4))
    simulation = run(FRIDAYS, [100.0, 99.0, 99.0] + [150.0] * 6, dates=dates)
    call = trades(simulation)[2]
    assert (call["exitIndex"], call["exitReason"]) == (8, "calledAway")
    assert simulation.notes[1:] == [
        "2024-01-09 to 2024-01-11 (3 bars): "
        "the option was not bought back: the cash does not cover it"
    ]


def test_early_assignment_of_a_deep_put() -> None:
    """With r = 20 % and three days left a put 20 % in the money is worth less than that."""
    parameters = {"dte": 5, "riskFreeRate": 0.2, "earlyAssignment": "deepInTheMoney"}
    simulation = run(parameters, [100.0, 100.0, 80.0, 80.0])
    put, shares = trades(simulation)[:2]
    assert (put["exitIndex"], put["exitReason"], put["exitPrice"]) == (2, "assigned", 0.0)
    assert (shares["entryIndex"], shares["entryPrice"]) == (2, 100.0)
    assert cycles(simulation)[0]["assignmentPrice"] == 80.0
    assert endings({**parameters, "earlyAssignment": "none"}, [100.0, 100.0, 80.0, 80.0])[0] == (
        "put",
        None,
        None,
    )


def test_early_assignment_waits_until_four_days_are_left() -> None:
    parameters = {"dte": 7, "riskFreeRate": 0.2, "earlyAssignment": "deepInTheMoney"}
    assert endings(parameters, [100.0] + [80.0] * 5)[0] == ("put", 3, "assigned")


def test_early_assignment_needs_more_than_five_per_cent_of_the_strike() -> None:
    parameters = {
        "dte": 4,
        "riskFreeRate": 0.2,
        "earlyAssignment": "deepInTheMoney",
        "volatility": {"model": "constant", "value": 0.05},
    }
    assert endings(parameters, [100.0, 95.0])[0] == ("put", None, None)
    assert endings(parameters, [100.0, 94.99])[0] == ("put", 1, "assigned")


def test_early_assignment_of_a_deep_call() -> None:
    parameters = {
        "dte": 4,
        "dividendYield": 0.5,
        "earlyAssignment": "deepInTheMoney",
        "call": {"moneyness": 0.0},
    }
    closes = [100.0, 100.0, 100.0, 100.0, 99.0, 99.0, 120.0, 120.0]
    simulation = run(parameters, closes)
    put, shares, call = trades(simulation)[:3]
    assert (put["exitIndex"], put["exitReason"]) == (4, "assigned")
    assert (call["entryIndex"], call["exitIndex"], call["exitReason"]) == (5, 6, "calledAway")
    assert (shares["exitIndex"], shares["exitPrice"]) == (6, 99.0)
    assert cycles(simulation)[0]["calledAwayPrice"] == 120.0


@pytest.mark.parametrize("close", [30.0, 50.0, 77.7, 80.1])
def test_early_assignment_never_happens_to_puts_without_a_rate(close: float) -> None:
    parameters = {"dte": 5, "earlyAssignment": "deepInTheMoney"}
    closes = [100.0, close, close * 1.01, close * 0.99, close]
    assert endings(parameters, closes)[0] == ("put", None, None)


@pytest.mark.parametrize("close", [107.0, 113.3, 140.0, 400.0])
def test_early_assignment_never_happens_to_calls_without_dividends(close: float) -> None:
    parameters = {
        "dte": {"target": 1, "min": 1, "max": 7, "expiries": "weekly"},
        "riskFreeRate": 0.1,
        "earlyAssignment": "deepInTheMoney",
    }
    dates = every_day(9, date(2024, 1, 4))
    path = [100.0, 99.0, 99.0, close, close, close * 1.01, close, close, close]
    assert endings(parameters, path, dates=dates)[2] == ("call", 8, "calledAway")


def test_early_assignment_compares_with_what_a_sale_would_bring() -> None:
    """A wide spread makes exercising better than selling even where no rate does."""
    parameters = {"dte": 4, "earlyAssignment": "deepInTheMoney", "spread": 0.2}
    assert endings(parameters, [100.0, 80.0])[0] == ("put", 1, "assigned")


def test_early_assignment_comes_after_buying_back() -> None:
    parameters = {
        "dte": 4,
        "riskFreeRate": 0.2,
        "earlyAssignment": "deepInTheMoney",
        "closeAtDte": 3,
    }
    assert endings(parameters, [100.0, 80.0])[0] == ("put", 1, "closeAtDte")


def test_values_decay_by_days_over_365() -> None:
    simulation = run({"dte": 30}, [100.0] * 4)
    for bar in range(4):
        years = (30 - bar) / 365
        value = black_scholes("put", 100.0, 100.0, years, 0, 0, 0.25)
        sold = black_scholes("put", 100.0, 100.0, 30 / 365, 0, 0, 0.25)
        assert simulation.equity[bar] == pytest.approx(10_000.0 + 100 * (sold - value), rel=1e-12)
        assert math.isfinite(simulation.equity[bar])
