"""Whole runs: which bars are seen, what is refused, and accounts small enough to check by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from engine import (
    BacktestResult,
    Candles,
    ConfigError,
    DataError,
    DataNotFoundError,
    Stopped,
    parse_config,
    required_series,
    run_backtest,
    simulate,
)
from tests.support.markets import DAY, NEW_YEAR, config, every, walk


def path_run(closes: list[float], strategy: str = "buyAndHold", **changes: Any) -> BacktestResult:
    return run_backtest(config(strategy, pricePath=closes, **changes))


def test_buy_and_hold_buys_at_the_second_bars_open() -> None:
    found = path_run([100, 110, 121, 110], startingCapital=1100)
    assert found.equity_curve == [1100.0, 1100.0, 1210.0, 1100.0]
    (trade,) = found.trades
    assert (trade.entry_index, trade.entry_price, trade.quantity) == (1, 110.0, 10.0)
    assert trade.exit_index is None
    assert found.metrics.buy_and_hold_return == pytest.approx(0.1)
    assert found.total_return == 0.0
    assert found.metrics.exposure == 0.75
    assert found.max_drawdown == pytest.approx(1100 / 1210 - 1)


def test_fees_and_slippage_are_counted_once() -> None:
    found = path_run(
        [100, 100, 120],
        startingCapital=1000,
        execution={
            "feeRate": 0.01,
            "feePerTrade": 1,
            "slippageRate": 0.05,
            "sizing": {"type": "units", "value": 4},
            "closeAtEnd": True,
        },
    )
    (trade,) = found.trades
    entry, exit_ = 100 * 1.05, 120 * 0.95
    fees = 0.01 * 4 * (entry + exit_) + 2
    assert trade.entry_price == pytest.approx(entry)
    assert trade.exit_price == pytest.approx(exit_)
    assert trade.fees == pytest.approx(fees)
    assert trade.pnl == pytest.approx(4 * (exit_ - entry) - fees)
    assert found.metrics.fees_paid == pytest.approx(fees)
    assert found.metrics.final_equity == pytest.approx(1000 + trade.pnl)
    assert trade.exit_reason == "endOfData"
    assert found.cycles_completed == 1


def test_a_cross_of_two_averages() -> None:
    closes = [10.0, 10, 10, 13, 13, 13, 7, 7, 7, 7]
    found = path_run(closes, "smaCross", parameters={"fast": 1, "slow": 3}, startingCapital=1300)
    (trade,) = found.trades
    assert (trade.entry_index, trade.exit_index) == (4, 7)
    assert (trade.entry_price, trade.exit_price) == (13.0, 7.0)
    assert trade.pnl == pytest.approx(-600)
    assert trade.exit_reason == "signal"
    (cycle,) = found.cycles
    assert (cycle.start_index, cycle.end_index, cycle.outcome) == (4, 7, "closed")
    assert cycle.cycle_return == pytest.approx(-600 / 1300)
    assert cycle.duration_days == 3


def test_a_put_that_expires_worthless() -> None:
    found = path_run(
        [100.0] + [101.0] * 10,
        "wheel",
        startingCapital=10_000,
        maxCycles=1,
        parameters={"dte": 7, "commissionPerContract": 1.5},
    )
    put = found.trades[0]
    assert (put.instrument, put.strike, put.expiry) == ("put", 100.0, "2020-01-08T00:00:00Z")
    assert (put.entry_index, put.exit_index, put.exit_reason) == (0, 7, "expired")
    premium = put.entry_price * 100
    assert found.metrics.premium_collected == pytest.approx(premium)
    assert found.metrics.final_equity == pytest.approx(10_000 + premium - 1.5)
    assert found.equity_curve[0] == pytest.approx(10_000 - 1.5)
    (cycle,) = found.cycles
    assert (cycle.outcome, cycle.start_index, cycle.end_index) == ("expiredOTM", 0, 7)
    assert cycle.premium_collected == pytest.approx(premium)
    assert found.cycles_completed == 1


def test_a_wheel_that_goes_all_the_way_round() -> None:
    closes = [100.0] + [95.0] * 8 + [110.0] * 12
    found = path_run(
        closes,
        "wheel",
        startingCapital=20_000,
        maxCycles=1,
        parameters={"dte": 7, "call": {"moneyness": 0.1}},
    )
    assert [trade.instrument for trade in found.trades] == ["put", "shares", "call"]
    put, shares, call = found.trades
    assert (put.exit_index, put.exit_reason) == (7, "assigned")
    assert (shares.entry_index, shares.entry_price, shares.quantity) == (7, 100.0, 100.0)
    assert (call.entry_index, call.strike, call.exit_index) == (8, 95.0 * 1.1, 15)
    assert (shares.exit_price, shares.exit_reason) == (95.0 * 1.1, "calledAway")
    (cycle,) = found.cycles
    assert (cycle.start_index, cycle.end_index) == (0, 15)
    assert cycle.outcome == "calledAway"
    assert cycle.had_assignment
    assert (cycle.assignment_price, cycle.assignment_strike) == (95.0, 100.0)
    assert (cycle.called_away_price, cycle.called_away_strike) == (110.0, 95.0 * 1.1)
    assert found.metrics.assignment_count == found.metrics.called_away_count == 1
    total = sum(trade.pnl for trade in found.trades)
    assert found.metrics.final_equity == pytest.approx(20_000 + total)


def test_bars_between_the_dates_are_used_and_no_others() -> None:
    candles = walk(100)
    changes = {"startDate": "2020-02-01", "endDate": "2020-02-29"}
    found = run_backtest(config("buyAndHold", **changes), candles)
    assert found.bars == 29
    assert found.equity_timestamps[0] == "2020-02-01T00:00:00Z"
    assert found.equity_timestamps[-1] == "2020-02-29T00:00:00Z"
    assert found.data_fingerprint == candles.rows(31, 60).fingerprint()


def test_an_end_date_includes_its_whole_utc_day() -> None:
    candles = walk(72, timeframe="1h")
    changes: dict[str, Any] = {"timeframe": "1h", "startDate": "2020-01-02"}
    assert run_backtest(config(endDate="2020-01-02", **changes), candles).bars == 24
    assert run_backtest(config(endDate="2020-01-02T05:00", **changes), candles).bars == 6


def test_stored_candles_before_the_start_are_no_warm_up() -> None:
    candles = walk(200)
    whole = config(startDate="2020-03-01", parameters={"fast": 5, "slow": 15})
    assert run_backtest(whole, candles).result_digest == (
        run_backtest(whole, candles.between(datetime(2020, 3, 1, tzinfo=UTC), None)).result_digest
    )


@pytest.mark.parametrize("end", ["2030-01-01", "2020-01-02", "2020-01-01T08:00"])
def test_a_price_path_is_used_whole_whatever_the_end_date(end: str) -> None:
    changes: dict[str, Any] = {"startDate": "2020-01-01T06:00", "endDate": end}
    found = path_run([5.0, 6.0, 7.0, 8.0], timeframe="4h", **changes)
    assert found.equity_timestamps == [
        "2020-01-01T06:00:00Z",
        "2020-01-01T10:00:00Z",
        "2020-01-01T14:00:00Z",
        "2020-01-01T18:00:00Z",
    ]
    assert found.config_used["endDate"] == end
    assert found.config_used["pricePath"] == [5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize("end", ["2019-01-01", "2020-01-01T05:59:59Z"])
@pytest.mark.parametrize("path", [[], [5.0, 6.0, 7.0, 8.0]], ids=repr)
def test_reversed_dates_are_refused_beside_a_price_path_too(end: str, path: list[float]) -> None:
    with pytest.raises(ConfigError, match="endDate: expected a date not before startDate"):
        path_run(path, startDate="2020-01-01T06:00", endDate=end)


@pytest.mark.parametrize("empty", [[], (), np.array([])], ids=repr)
def test_an_empty_price_path_is_none(empty: Any) -> None:
    found = run_backtest(config(pricePath=empty), walk(50))
    assert found.bars == 50
    assert found.config_used["pricePath"] == []


@pytest.mark.parametrize("wrong", ["", {}], ids=repr)
def test_what_is_no_list_of_closes_is_no_empty_one(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="pricePath"):
        run_backtest(config(pricePath=wrong), walk(50))


@pytest.mark.parametrize("closes", [[1e-8, 1e-8, 1e100], [1e100, 1e100, 1e-8]], ids=repr)
@pytest.mark.parametrize("direction", ["long", "short"])
def test_the_largest_account_there_may_be_is_told_in_numbers(
    closes: list[float], direction: str
) -> None:
    execution = {"direction": direction, "feeRate": 0.01, "closeAtEnd": True}
    found = path_run(closes, startingCapital=1e100, execution=execution)
    document = json.dumps(found.to_document(), allow_nan=False)
    assert json.loads(document)["trades"][0]["quantity"] > 0.0


def test_a_price_path_takes_the_place_of_candles() -> None:
    assert run_backtest(config(pricePath=[1.0, 2.0]), walk(50)).bars == 2
    assert run_backtest(config(pricePath=[]), walk(50)).bars == 50


def test_the_number_of_bars_a_year_is_in_the_echo() -> None:
    assert run_backtest(config(), walk(50)).config_used["annualization"] == 365
    assert run_backtest(config(), walk(13)).config_used["annualization"] == 252
    assert run_backtest(config(annualization=300), walk(50)).config_used["annualization"] == 300
    assert path_run([1.0] * 50).config_used["annualization"] == 252


def test_candles_may_come_alone_or_by_symbol() -> None:
    alone = run_backtest(config(), walk(50))
    by_symbol = run_backtest(config(), {"SPY": walk(50), "QQQ": walk(50, 2)})
    assert alone.result_digest == by_symbol.result_digest


def test_a_parsed_config_and_a_mapping_are_the_same() -> None:
    assert run_backtest(parse_config(config()), walk(50)) == run_backtest(config(), walk(50))


def test_a_bad_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="startingCapital"):
        run_backtest(config(startingCapital=-1), walk(50))


@pytest.mark.parametrize(
    "candles",
    [
        None,
        {},
        {"QQQ": walk(5)},
        walk(5, first=NEW_YEAR - 400 * DAY),
        walk(0),
        walk(5, timeframe="1h"),
    ],
    ids=["none", "no symbol", "another symbol", "another time", "empty", "another timeframe"],
)
def test_without_candles_there_is_no_run(candles: Any) -> None:
    with pytest.raises(DataNotFoundError, match="no candles of SPY 1d"):
        run_backtest(config(), candles)


@pytest.mark.parametrize(
    ("candles", "got"),
    [
        ([walk(5), walk(5)], "a list of 2"),
        ([], "a list of 0"),
        ("SPY", "'SPY'"),
        (0, "0"),
        (np.ones(5), "a value of type ndarray"),
    ],
    ids=["list", "empty list", "text", "number", "array"],
)
@pytest.mark.parametrize("run", [run_backtest, simulate])
def test_what_holds_no_candles_is_refused_in_a_sentence(
    run: Callable[..., Any], candles: Any, got: str
) -> None:
    expected = "Candles or a mapping of them by symbol or (symbol, timeframe)"
    for asked in (config("buyAndHold"), config("buyAndHold", pricePath=[1, 2])):
        with pytest.raises(DataError) as refused:
            run(asked, candles)
        assert str(refused.value) == f"candles: expected {expected}, got {got}"


@pytest.mark.parametrize(
    ("held", "got"), [([walk(5)], "a list of 1"), ({"close": 1}, "an object of 1 key")]
)
@pytest.mark.parametrize("key", ["SPY", ("SPY", "1d")])
def test_what_a_mapping_holds_instead_of_candles_is_named(key: Any, held: Any, got: str) -> None:
    with pytest.raises(DataError) as refused:
        run_backtest(config("buyAndHold"), {key: held})
    assert str(refused.value) == f"candles of SPY 1d: expected Candles, got {got}"


def test_a_range_without_candles_is_told_with_what_is_held() -> None:
    with pytest.raises(DataNotFoundError, match="held: 2020-01-01 to 2020-01-05"):
        run_backtest(config(startDate="2021-01-01"), walk(5))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_a_price_that_is_none_is_refused_with_its_bar(value: float) -> None:
    candles = walk(30)
    close = candles.close.copy()
    close[12] = value
    with pytest.raises(DataError, match=r"2020-01-13.*close") as refused:
        run_backtest(config(startDate="2020-01-03"), replace(candles, close=close))
    assert refused.value.bar == 10


def test_a_bad_bar_outside_the_dates_harms_nobody() -> None:
    candles = walk(30)
    close = candles.close.copy()
    close[2] = np.nan
    run_backtest(config(startDate="2020-01-10"), replace(candles, close=close))


@pytest.mark.parametrize("strategy", ["buyAndHold", "smaCross", "wheel"])
def test_one_bar_is_a_run(strategy: str) -> None:
    found = path_run([100.0], strategy)
    assert found.bars == 1
    assert found.metrics.cagr is None
    assert found.regime_segments == []
    assert not found.metrics.trade_count


VIX_WHEEL = config("wheel", parameters={"volatility": {"model": "series", "symbol": "VIX"}})


def vix(first: int = NEW_YEAR - 30 * DAY, count: int = 200) -> Candles:
    times = every("1d", count, first)
    return Candles.from_closes("VIX", "1d", times, 15.0 + (times // DAY) % 7)


def test_a_volatility_series_is_asked_for_from_its_beginning() -> None:
    spy, series = required_series(parse_config(VIX_WHEEL))
    assert (spy.symbol, spy.timeframe) == ("SPY", "1d")
    assert spy.start == datetime(2020, 1, 1, tzinfo=UTC)
    assert spy.end == datetime(2030, 1, 1, 23, 59, 59, 999_000, tzinfo=UTC)
    assert (series.symbol, series.start, series.end) == ("VIX", None, spy.end)


def test_a_price_path_asks_for_no_candles() -> None:
    assert required_series(parse_config(config(pricePath=[1.0]))) == ()


def test_what_else_is_stored_of_a_volatility_series_makes_no_difference() -> None:
    bars = walk(100)
    long, short = vix(), vix(NEW_YEAR - DAY, 130)
    short_only = run_backtest(VIX_WHEEL, {"SPY": bars, "VIX": short})
    assert run_backtest(VIX_WHEEL, {"SPY": bars, "VIX": long}).result_digest == (
        short_only.result_digest
    )


def test_the_volatility_is_part_of_the_datas_fingerprint() -> None:
    bars = walk(100)
    other = vix()
    close = other.close.copy()
    close[50] += 1.0
    one = run_backtest(VIX_WHEEL, {"SPY": bars, "VIX": vix()})
    two = run_backtest(VIX_WHEEL, {"SPY": bars, "VIX": replace(other, close=close)})
    assert one.data_fingerprint != two.data_fingerprint
    assert one.data_fingerprint != bars.fingerprint()


@pytest.mark.parametrize("candles", [walk(50), {"SPY": walk(50)}], ids=["alone", "by symbol"])
def test_a_missing_volatility_series_is_told(candles: Any) -> None:
    with pytest.raises(DataNotFoundError, match="no candles of VIX 1d"):
        run_backtest(VIX_WHEEL, candles)


@pytest.mark.parametrize("strategy", ["smaCross", "wheel"])
def test_progress_rises_to_one(strategy: str) -> None:
    heard: list[float] = []
    run_backtest(config(strategy, timeframe="1h"), walk(25_000, timeframe="1h"), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert len(heard) >= 3


@pytest.mark.parametrize("strategy", ["smaCross", "wheel", "portfolio"])
def test_a_run_that_is_told_to_stop_stops(strategy: str) -> None:
    answers = iter([False, False, True, True, True])
    parameters = {"sleeves": [{"weight": 1, "config": {"strategyId": "rsi"}}]}
    raw = config(strategy, timeframe="1h", parameters=parameters if strategy == "portfolio" else {})
    stop: Callable[[], bool] = lambda: next(answers)  # noqa: E731 - its type is checked
    with pytest.raises(Stopped):
        run_backtest(raw, walk(50_000, timeframe="1h"), should_stop=stop)


def test_cycles_stop_opening_after_as_many_as_wanted() -> None:
    unlimited = run_backtest(config(), walk(500))
    limited = run_backtest(config(maxCycles=3), walk(500))
    assert unlimited.cycles_completed > 3
    assert limited.cycles_completed == 3
    assert limited.metrics.trade_count == 3
    assert limited.config_used["maxCycles"] == 3
    assert run_backtest(config(maxCycles=0), walk(500)).result_digest == unlimited.result_digest


def test_a_notebook_shows_the_main_figures_and_not_every_bar() -> None:
    found = run_backtest(config(), walk(300))
    for text in (repr(found), str(found)):
        assert len(text) < 250
        assert f"total_return={found.total_return!r}" in text
    assert repr(found).startswith("BacktestResult(strategy_id='smaCross', symbol='SPY', bars=300,")
