"""A sweep's rows are those of single runs; variants fail, stop and are counted one by one."""

import random
import threading
from typing import Any

import numpy as np
import pytest

from engine import Candles, ConfigError, parse_config, run_backtest
from engine.digest import SUMMARY_METRICS
from engine.sweep import Ending, SweepResult, expand_grid, run_sweep
from engine.sweeps.overrides import overridden
from tests.support.markets import config, walk
from tests.support.random_variants import random_regime, random_signal_variants
from tests.support.random_wheels import random_parameters
from tests.support.sweeps import assert_equals_single_runs


@pytest.mark.parametrize("bars", [1, 2, 63, 64, 65, 700, 1024, 1025, 2048, 3_500])
def test_signal_strategies_equal_their_single_runs(bars: int) -> None:
    base, variants = random_signal_variants(bars, 80)
    candles = walk(bars, bars, volatility=0.03)
    rows = assert_equals_single_runs(base, variants, candles)
    assert len(rows) > 60
    if bars > 1000:
        dominated = np.array([[regime.completed for regime in row.regimes or ()] for row in rows])
        assert (dominated.sum(axis=0) > 0).all()


def test_wheels_equal_their_single_runs() -> None:
    chance = random.Random(7)
    candles = {"SPY": walk(400, 5), "VIX": walk(400, 6, symbol="VIX", volatility=0.01)}
    base = config("wheel", startingCapital=50_000)
    variants = [
        {
            "parameters": random_parameters(chance),
            "maxCycles": chance.choice([0, 2]),
            "regime": random_regime(chance),
        }
        for _ in range(60)
    ]
    rows = assert_equals_single_runs(base, variants, candles, threads=2)
    assert len(rows) > 40
    assert sum(regime.completed for row in rows for regime in row.regimes or ()) > 20


def test_portfolios_equal_their_single_runs() -> None:
    candles = {"SPY": walk(300, 1), "MSFT": walk(200, 2, symbol="MSFT")}
    sleeves = [
        {"weight": 0.5, "config": {"strategyId": "smaCross", "parameters": {"fast": 3, "slow": 9}}},
        {"weight": 0.4, "config": {"strategyId": "buyAndHold", "symbol": "MSFT"}},
    ]
    base = config("portfolio", parameters={"sleeves": sleeves})
    grid = expand_grid(
        {
            "parameters.sleeves.0.weight": [0.2, 0.6, 0.7],
            "parameters.sleeves.0.config.parameters.fast": [2, 4],
            "execution.feeRate": [0.0, 0.01],
        }
    )
    assert len(assert_equals_single_runs(base, grid, candles)) == 8


def test_bars_of_their_own() -> None:
    """Variants may differ in symbol, dates and price path, and so in their data."""
    candles = {"SPY": walk(300, 1), "MSFT": walk(200, 2, symbol="MSFT")}
    base = config("smaCross", parameters={"fast": 3, "slow": 8})
    path = [100.0, 101.0, 99.0, 98.0, 103.0, 104.0, 99.0, 97.0, 96.0, 101.0, 105.0, 107.0]
    variants: list[dict[str, Any]] = [
        {},
        {"symbol": "MSFT"},
        {"startDate": "2020-03-01"},
        {"symbol": "GONE"},
        {"pricePath": path},
        {"endDate": "2019-01-01", "startDate": "2018-01-01"},
        {"annualization": 365},
    ]
    assert len(assert_equals_single_runs(base, variants, candles)) == 5
    assert run_sweep(base, variants, candles).errors[3].code == "DATA_NOT_FOUND"


def test_bad_candles_fail_their_variants_with_the_bar() -> None:
    bad = walk(50, 1)
    bad.close[20] = np.nan
    result = run_sweep(config(), [{}, {"endDate": "2020-01-15"}], bad)
    assert result.endings.tolist() == [Ending.FAILED, Ending.FINISHED]
    assert result.errors[0].code == "DATA_INVALID"
    assert "bar 20" in result.errors[0].message


def test_a_bad_variant_fails_alone() -> None:
    grid = expand_grid({"parameters.fast": [5, 30], "parameters.slow": [20]})
    result = run_sweep(config(), [*grid, {"nothing.here": 1}], walk(100))
    assert result.endings.tolist() == [Ending.FINISHED, Ending.FAILED, Ending.FAILED]
    assert result.errors[1].code == "INVALID_CONFIG"
    assert result.errors[1].message == "parameters.slow: expected more than fast (30), got 20"
    assert "nothing" in result.errors[2].message
    assert result.metrics_of(1) is None
    assert result.summary_digest(1) is None


def test_the_best_are_ranked_with_nulls_last_and_ties_by_index() -> None:
    variants = [{"parameters.fast": 400, "parameters.slow": 500}] + [
        {"parameters.fast": fast} for fast in (3, 5, 3, 8, 25)
    ]
    result = run_sweep(config(), variants, walk(200, 3), rank_by="sharpe", keep_best=3)
    sharpe = result.metrics["sharpe"]
    assert np.isnan(sharpe[0])
    assert sharpe[1] == sharpe[3]
    order = result.ranking()
    assert order[-1] == 0
    assert order.index(1) + 1 == order.index(3)
    assert sorted(order) == [0, 1, 2, 3, 4]
    ranked = [sharpe[index] for index in order[:-1]]
    assert ranked == sorted(ranked, reverse=True)
    assert [one.index for one in result.best] == order[:3]


def test_the_best_give_their_full_results() -> None:
    candles = walk(200, 3)
    variants = [{"parameters.fast": fast} for fast in (3, 5, 8)]
    result = run_sweep(config(), variants, candles, rank_by="totalReturn", keep_best=2)
    assert len(result.best) == 2
    for one in result.best:
        full = one.result()
        assert full.summary_digest == result.summary_digest(one.index)
        assert full.config_used["parameters"]["fast"] == one.overrides["parameters.fast"]
        assert len(full.equity_curve) == 200
    totals = [one.result().total_return for one in result.best]
    assert totals == sorted(totals, reverse=True)


def columns(result: SweepResult) -> dict[str, list[Any]]:
    return {
        name: np.nan_to_num(column, nan=-9e9).tolist() for name, column in result.metrics.items()
    }


IN_TRADES = {"totalReturn", "finalEquity", "cagr", "exposure", "tradeCount", "winRate"} | {
    "profitFactor",
    "expectancy",
    "feesPaid",
}


@pytest.mark.parametrize(
    ("figures", "counted"), [("trades", IN_TRADES), ("drawdown", IN_TRADES | {"maxDrawdown"})]
)
def test_fewer_figures_are_the_same_ones(figures: Any, counted: set[str]) -> None:
    base, variants = random_signal_variants(21, 60)
    candles = walk(1_500, 4, volatility=0.03)
    full = run_sweep(base, variants, candles)
    part = run_sweep(base, variants, candles, figures=figures, rank_by="totalReturn")
    assert part.endings.tolist() == full.endings.tolist()
    for name, column in columns(part).items():
        expected = columns(full)[name] if name in counted else [-9e9] * len(variants)
        assert column == expected, name
    assert part.ranking() != []
    assert part.summary_digest(part.ranking()[0]) is None


def test_unknown_figures_are_refused() -> None:
    figures: Any = "some"
    with pytest.raises(ConfigError, match="figures: expected one of all, drawdown, trades"):
        run_sweep(config(), [{}], walk(100), figures=figures)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_order_make_no_difference(threads: int) -> None:
    base, variants = random_signal_variants(11, 50)
    candles = walk(300, 2)
    usual = run_sweep(base, variants, candles, threads=1)
    again = run_sweep(base, variants[::-1], candles, threads=threads)
    assert columns(usual) == {name: column[::-1] for name, column in columns(again).items()}
    digests = [again.summary_digest(len(variants) - 1 - index) for index in range(len(variants))]
    assert [usual.summary_digest(index) for index in range(len(variants))] == digests


def test_progress_rises_to_one() -> None:
    told: list[float] = []
    grid = expand_grid({"parameters.fast": {"start": 1, "stop": 19, "step": 1}})
    run_sweep(config(), grid, walk(300), on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert all(0.0 <= fraction <= 1.0 for fraction in told)


def test_progress_and_stop_are_asked_in_the_callers_thread() -> None:
    threads: set[int] = set()

    def should_stop() -> bool:
        threads.add(threading.get_ident())
        return False

    run_sweep(config(), [{}, {"parameters.fast": 3}], walk(100), should_stop=should_stop, threads=2)
    assert threads == {threading.get_ident()}


def test_told_to_stop_it_keeps_what_is_finished() -> None:
    grid = expand_grid(
        {"parameters.fast": list(range(1, 19)), "parameters.slow": list(range(20, 320))}
    )
    seen: list[float] = []

    def should_stop() -> bool:
        return bool(seen) and seen[-1] > 0.0

    result = run_sweep(config(), grid, walk(300), on_progress=seen.append, should_stop=should_stop)
    assert result.stopped
    finished = np.flatnonzero(result.endings == Ending.FINISHED)
    assert 0 < len(finished) < len(grid)
    assert result.count(Ending.NOT_RUN) == len(grid) - len(finished)
    index = int(finished[-1])
    single = run_backtest(overridden(config(), grid[index]), walk(300))
    assert result.summary_digest(index) == single.summary_digest
    assert set(result.ranking()) == set(finished.tolist())


def test_stopped_at_once_nothing_is_run() -> None:
    result = run_sweep(config(), [{}, {}], walk(100), should_stop=lambda: True)
    assert result.stopped
    assert result.best == ()


def test_rows_are_plain_data() -> None:
    result = run_sweep(config(), [{}, {"parameters.fast": 30}], walk(100))
    good, bad = result.rows()
    assert list(good["metrics"]) == list(SUMMARY_METRICS)
    assert good["error"] is None
    assert good["summaryDigest"].startswith("sha256:")
    assert bad["metrics"] is None
    assert bad["error"]["code"] == "INVALID_CONFIG"


def test_no_variants_are_no_rows() -> None:
    result = run_sweep(config(), [], walk(100))
    assert len(result) == 0
    assert result.rows() == []


def test_what_is_ranked_by_has_to_be_a_sweep_metric() -> None:
    with pytest.raises(ConfigError, match="rankBy: expected one of totalReturn"):
        run_sweep(config(), [{}], walk(100), rank_by="omega")


def test_a_base_may_be_completed_by_its_variants() -> None:
    base = {key: value for key, value in config().items() if key != "startingCapital"}
    with pytest.raises(ConfigError):
        parse_config(base)
    result = run_sweep(base, [{"startingCapital": 100.0}, {}], walk(100))
    assert result.endings.tolist() == [Ending.FINISHED, Ending.FAILED]


def test_candles_may_come_alone_or_by_symbol() -> None:
    candles: Candles = walk(100)
    alone = run_sweep(config(), [{}], candles)
    named = run_sweep(config(), [{}], {"SPY": candles, "MSFT": walk(50, symbol="MSFT")})
    assert alone.summary_digest(0) == named.summary_digest(0)
