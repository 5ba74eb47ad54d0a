"""What the wheel sells, when, and at which strike; each case small enough to do by hand."""

import math
from datetime import date
from itertools import pairwise
from statistics import NormalDist, stdev
from typing import Any

import pytest

from tests.support import wheel_runs
from tests.support.wheel_runs import run, trades

FLAT = [100.0] * 3


def first_trade(parameters: dict[str, Any], closes: list[float], **kwargs: Any) -> dict[str, Any]:
    return trades(run(parameters, closes, **kwargs))[0]


def at_the_money(spot: float, days: int, sigma: float) -> float:
    """Value of an option at the money without rates: S (2 N(σ√T / 2) − 1)."""
    return spot * (2 * NormalDist().cdf(sigma * math.sqrt(days / 365) / 2) - 1)


def test_a_put_is_sold_on_the_first_bar_at_its_close() -> None:
    trade = first_trade({}, [100.0, 101.0])
    assert trade["instrument"] == "put"
    assert trade["side"] == -1
    assert trade["entryIndex"] == 0
    assert trade["strike"] == 100.0
    assert trade["expiry"] == date(2024, 1, 31)
    assert trade["entryPrice"] == pytest.approx(at_the_money(100.0, 30, 0.25), rel=1e-9)


def test_an_option_is_sold_even_on_the_last_bar() -> None:
    assert first_trade({}, [100.0])["entryIndex"] == 0


@pytest.mark.parametrize(("moneyness", "strike"), [(0.05, 95.0), (0.0, 100.0), (-0.1, 110.0)])
def test_put_moneyness_is_below_the_close(moneyness: float, strike: float) -> None:
    trade = first_trade({"put": {"moneyness": moneyness}}, FLAT, capital=11_001.0)
    assert trade["strike"] == pytest.approx(strike)


@pytest.mark.parametrize(("moneyness", "strike"), [(0.02, 102.0), (0.0, 100.0), (-0.1, 90.0)])
def test_call_moneyness_is_above_the_close(moneyness: float, strike: float) -> None:
    """The put of the first day is assigned on the second, the call sold on the third."""
    sold = trades(run({"dte": 1, "call": {"moneyness": moneyness}}, FLAT))
    assert [(trade["instrument"], trade["entryIndex"]) for trade in sold] == [
        ("put", 0),
        ("shares", 1),
        ("call", 2),
    ]
    assert sold[2]["strike"] == pytest.approx(strike)


def test_put_delta_gives_the_strike_with_that_spot_delta() -> None:
    trade = first_trade({"put": {"delta": 0.3}, "riskFreeRate": 0.04, "dividendYield": 0.02}, FLAT)
    years, sigma = 30 / 365, 0.25
    d1 = (math.log(100.0 / trade["strike"]) + (0.02 + sigma**2 / 2) * years) / (
        sigma * math.sqrt(years)
    )
    assert math.exp(-0.02 * years) * NormalDist().cdf(-d1) == pytest.approx(0.3, rel=1e-9)
    assert trade["strike"] < 100.0


def test_call_delta_gives_the_strike_with_that_spot_delta() -> None:
    call = trades(run({"dte": 1, "call": {"delta": 0.2}, "dividendYield": 0.02}, FLAT))[2]
    years, sigma = 1 / 365, 0.25
    d1 = (math.log(100.0 / call["strike"]) + (-0.02 + sigma**2 / 2) * years) / (
        sigma * math.sqrt(years)
    )
    assert math.exp(-0.02 * years) * NormalDist().cdf(d1) == pytest.approx(0.2, rel=1e-9)
    assert call["strike"] > 100.0


def test_a_delta_that_no_strike_has_is_not_sold() -> None:
    """With q = 100 % a delta reaches e^(−30/365) = 0.921 at most."""
    simulation = run({"put": {"delta": 0.95}, "dividendYield": 1.0}, FLAT)
    assert len(simulation.trades) == 0
    assert simulation.notes[1:] == [
        "2024-01-01 to 2024-01-03 (3 bars): nothing sold: no strike has the wanted delta"
    ]


def test_strike_step_rounds_puts_down_and_calls_up() -> None:
    parameters = {"dte": 1, "strikeStep": 5, "put": {"moneyness": -0.02}}
    sold = trades(run({**parameters, "call": {"moneyness": 0.02}}, [103.0] * 3, capital=20_000.0))
    assert sold[0]["strike"] == 105.0
    assert sold[2]["strike"] == 110.0


def test_strike_step_takes_a_strike_within_a_millionth_of_a_step_as_it_is() -> None:
    for nudge in (-4e-7, 0.0, 4e-7):
        close = 100.0 + nudge
        sold = trades(run({"dte": 1, "strikeStep": 1, "call": {"moneyness": 0.0}}, [close] * 3))
        assert sold[0]["strike"] == 100.0
        assert [trade["strike"] for trade in sold[2:]] == ([100.0] if nudge <= 0 else [])
    assert first_trade({"strikeStep": 1}, [100.0 - 4e-6])["strike"] == 99.0


def test_a_strike_of_zero_is_not_sold() -> None:
    simulation = run({"strikeStep": 5}, [3.0, 4.0, 6.0])
    assert trades(simulation)[0]["entryIndex"] == 2
    assert simulation.notes[1] == (
        "2024-01-01 to 2024-01-02 (2 bars): nothing sold: the strike would not be above 0"
    )


def test_call_floor_lifts_a_strike_to_the_assignment_strike() -> None:
    closes = [100.0, 80.0, 80.0]
    lifted = trades(run({"dte": 1, "callFloor": "costBasis"}, closes))[2]
    assert lifted["strike"] == 100.0
    assert trades(run({"dte": 1}, closes))[2]["strike"] == pytest.approx(81.6)


def test_call_floor_leaves_a_higher_strike_alone() -> None:
    closes = [100.0, 99.9, 110.0]
    assert trades(run({"dte": 1, "callFloor": "costBasis"}, closes))[2]["strike"] == pytest.approx(
        112.2
    )


def test_puts_are_secured_by_cash_to_the_cent() -> None:
    assert len(run({}, [100.0], capital=10_000.0).trades) == 1
    simulation = run({}, [100.0], capital=9_999.99)
    assert len(simulation.trades) == 0
    assert simulation.notes[1] == (
        "2024-01-01: no put sold: the cash does not cover strike × contract size × contracts"
    )


def test_the_premium_itself_secures_nothing() -> None:
    """The premium of about 286 would make up for what is missing."""
    assert len(run({}, [100.0], capital=9_900.0).trades) == 0


def test_a_number_of_contracts_is_sold_whole_or_not_at_all() -> None:
    assert first_trade({"contracts": 3}, [100.0], capital=30_000.0)["quantity"] == 3
    assert len(run({"contracts": 3}, [100.0], capital=29_999.0).trades) == 0


@pytest.mark.parametrize(
    ("capital", "contracts"), [(10_000.0, 1), (19_999.0, 1), (20_000.0, 2), (1_234_567.0, 123)]
)
def test_max_contracts_is_the_largest_affordable_whole_number(
    capital: float, contracts: int
) -> None:
    trade = first_trade({"contracts": "max"}, [100.0], capital=capital)
    assert trade["quantity"] == contracts


def test_max_contracts_below_one_is_a_skipped_sale() -> None:
    simulation = run({"contracts": "max"}, [100.0, 90.0], capital=9_500.0)
    assert trades(simulation)[0]["entryIndex"] == 1
    assert "no put sold" in simulation.notes[1]


def test_max_contracts_at_exact_multiples_of_awkward_strikes() -> None:
    for cents in range(101, 160):
        strike = cents / 100
        capital = strike * 100 * 7
        trade = first_trade({"contracts": "max"}, [strike], capital=capital)
        assert strike * 100 * trade["quantity"] <= capital
        assert strike * 100 * (trade["quantity"] + 1) > capital


def test_as_many_calls_are_sold_as_shares_cover() -> None:
    sold = trades(run({"dte": 1, "contracts": "max"}, FLAT, capital=47_000.0))
    assert [trade["quantity"] for trade in sold] == [4.0, 400.0, 4.0]


def test_contract_size_scales_shares_and_premium() -> None:
    simulation = run({"dte": 1, "contractSize": 10}, FLAT, capital=1_000.0)
    put, shares, _ = trades(simulation)
    assert put["pnl"] == pytest.approx(10 * put["entryPrice"])
    assert shares["quantity"] == 10.0


def test_a_dte_window_takes_the_listed_expiry_nearest_to_its_target() -> None:
    window = {"target": 30, "min": 20, "max": 60}
    for expiries, day in (
        ("any", date(2024, 1, 31)),
        ("weekly", date(2024, 2, 2)),
        ("monthly", date(2024, 2, 16)),
    ):
        trade = first_trade({"dte": {**window, "expiries": expiries}}, FLAT)
        assert trade["expiry"] == day


def test_no_listed_expiry_in_the_window_sells_nothing() -> None:
    window = {"target": 6, "min": 5, "max": 10, "expiries": "weekly"}
    simulation = run({"dte": window}, FLAT)
    assert [trade["entryIndex"] for trade in trades(simulation)] == [1]
    assert simulation.notes[1] == (
        "2024-01-01: nothing sold: no expiry lies within the wanted days"
    )


def test_zero_volatility_sells_nothing() -> None:
    simulation = run({"volatility": {"model": "constant", "value": 0.0}}, FLAT)
    assert len(simulation.trades) == 0
    assert simulation.equity.tolist() == [10_000.0] * 3
    assert not simulation.holds_position.any()


def test_a_flat_price_has_no_realized_volatility_and_sells_nothing() -> None:
    simulation = run({"volatility": {"model": "realized", "window": 5}}, [100.0] * 50)
    assert len(simulation.trades) == 0
    assert simulation.notes[1:] == [
        "2024-01-01 to 2024-02-19 (50 bars): nothing sold: "
        "the volatility is undefined or not above 0"
    ]


def test_realized_volatility_prices_from_the_first_full_window() -> None:
    closes = [100.0, 102.0, 99.0, 101.0, 100.0, 103.0]
    chosen = {"model": "realized", "window": 3, "scale": 1.5}
    trade = first_trade({"volatility": chosen}, closes, capital=20_000.0)
    own = [math.log(b / a) for a, b in pairwise(closes[:4])]
    sigma = stdev(own) * math.sqrt(252) * 1.5
    assert trade["entryIndex"] == 3
    assert trade["entryPrice"] == pytest.approx(at_the_money(101.0, 30, sigma), rel=1e-9)


def test_realized_volatility_uses_the_runs_annualization() -> None:
    closes = [100.0, 102.0, 99.0, 101.0]
    chosen = {"volatility": {"model": "realized", "window": 3}}
    stocks = first_trade(chosen, closes, capital=20_000.0, bars_per_year=252.0)
    coins = first_trade(chosen, closes, capital=20_000.0, bars_per_year=365.0)
    own = [math.log(b / a) for a, b in pairwise(closes[:4])]
    sigma = stdev(own) * math.sqrt(365)
    assert coins["entryPrice"] == pytest.approx(at_the_money(101.0, 30, sigma), rel=1e-9)
    assert stocks["entryPrice"] < coins["entryPrice"]


def test_a_volatility_series_counts_from_before_the_run_on() -> None:
    quotes = wheel_runs.bars([date(2023, 12, 20), date(2024, 1, 2)], [20.0, 40.0], "VIX")
    chosen = {"volatility": {"model": "series", "symbol": "VIX", "scale": 0.9}, "dte": 1}
    sold = trades(run(chosen, [100.0, 101.0, 101.0], series={"VIX": quotes}, capital=20_000.0))
    assert sold[0]["entryPrice"] == pytest.approx(at_the_money(100.0, 1, 0.18), rel=1e-9)
    assert sold[1]["entryPrice"] == pytest.approx(at_the_money(101.0, 1, 0.36), rel=1e-9)


def test_nothing_is_sold_before_the_volatility_series_begins() -> None:
    quotes = wheel_runs.bars([date(2024, 1, 3)], [20.0], "VIX")
    chosen = {"volatility": {"model": "series", "symbol": "VIX"}}
    simulation = run(chosen, [100.0] * 4, series={"VIX": quotes})
    assert trades(simulation)[0]["entryIndex"] == 2
    assert simulation.notes[1].startswith("2024-01-01 to 2024-01-02 (2 bars): nothing sold")


def test_spread_and_commission_come_off_the_premium() -> None:
    parameters = {"spread": 0.1, "commissionPerContract": 1.5, "contracts": 2}
    simulation = run(parameters, [100.0], capital=20_000.0)
    trade = trades(simulation)[0]
    model = at_the_money(100.0, 30, 0.25)
    assert trade["entryPrice"] == pytest.approx(0.9 * model, rel=1e-9)
    assert trade["fees"] == 3.0
    assert simulation.fees_paid == 3.0
    assert simulation.equity[0] == pytest.approx(20_000.0 - 0.1 * model * 200 - 3.0, rel=1e-12)


def test_max_cycles_opens_nothing_after_that_many() -> None:
    rising = [100.0 + bar for bar in range(12)]
    for limit, expected in ((1, 1), (2, 2), (3, 3)):
        simulation = run({"dte": 1}, rising, capital=50_000.0, maxCycles=limit)
        assert len(simulation.cycles) == expected
        assert simulation.cycles.completed.all()
        assert not simulation.holds_position[-1]
    assert len(run({"dte": 1}, rising, capital=50_000.0, maxCycles=0).cycles) == 6


def test_max_cycles_does_not_keep_calls_from_being_sold() -> None:
    closes = [100.0, 90.0, 90.0, 80.0, 80.0, 80.0]
    simulation = run({"dte": 1}, closes, maxCycles=1)
    kinds = [trade["instrument"] for trade in trades(simulation)]
    assert kinds == ["put", "shares", "call", "call"]
