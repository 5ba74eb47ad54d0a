"""Presets do what their one-line descriptions say, from config to account."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib

from engine.candles import Candles
from engine.config import BacktestConfig
from engine.errors import Stopped
from engine.parsing import parse_config
from engine.presets import as_rules
from engine.signal_strategies import rules_of, simulate
from engine.simulation import ExitReason, FloatArray, Simulation
from tests.support.plain_fills import PlainRules, plain_run

CAPITAL = 10_000.0
ENVELOPE: dict[str, Any] = {
    "symbol": "TEST",
    "startDate": "1970-01-01",
    "endDate": "1980-01-01",
    "startingCapital": CAPITAL,
}
Mask = list[bool]
Masks = tuple[Mask, Mask, Mask, Mask]


def some_candles(seed: int = 5, bars: int = 700, decimals: int = 2) -> Candles:
    rng = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, bars))), decimals)
    gaps = np.exp(rng.normal(0.0, 0.004, bars))
    open_ = np.round(np.concatenate(([100.0], close[:-1])) * gaps, decimals)
    high = np.round(np.maximum(open_, close) * 1.004, decimals)
    low = np.round(np.minimum(open_, close) * 0.996, decimals)
    times = np.arange(bars, dtype=np.int64) * 86_400_000
    return Candles("TEST", "1d", times, open_, high, low, close, np.full(bars, 5.0))


def run(
    strategy: str,
    candles: Candles,
    parameters: dict[str, Any] | None = None,
    execution: dict[str, Any] | None = None,
    **others: Any,
) -> Simulation:
    config = parse_config(
        {
            **ENVELOPE,
            "strategyId": strategy,
            "parameters": parameters or {},
            "execution": execution or {},
            **others,
        }
    )
    return simulate(config, candles)


def cross_config(fast: int) -> BacktestConfig:
    parameters = {"fast": fast, "slow": 9}
    return parse_config({**ENVELOPE, "strategyId": "smaCross", "parameters": parameters})


def up(a: FloatArray, b: FloatArray) -> Mask:
    """a crosses above b; comparisons with NaN are false."""
    return [False, *((a[:-1] <= b[:-1]) & (a[1:] > b[1:])).tolist()]


def down(a: FloatArray, b: FloatArray) -> Mask:
    return up(b, a)


def _averages(c: Candles, average: Callable[..., FloatArray]) -> Masks:
    fast, slow = average(c.close, 5), average(c.close, 12)
    return up(fast, slow), down(fast, slow), down(fast, slow), up(fast, slow)


def _rsi(c: Candles) -> Masks:
    rsi = talib.RSI(c.close, 7)
    low, high = np.full(len(c), 35.0), np.full(len(c), 60.0)
    return up(rsi, low), up(rsi, high), down(rsi, high), down(rsi, low)


def _macd(c: Candles) -> Masks:
    macd, signal, _ = talib.MACD(c.close, 5, 13, 4)
    return up(macd, signal), down(macd, signal), down(macd, signal), up(macd, signal)


def _bollinger(c: Candles) -> Masks:
    upper, middle, lower = talib.BBANDS(c.close, 15, 1.5, 1.5)
    close = c.close
    return down(close, lower), up(close, middle), up(close, upper), down(close, middle)


def _donchian(c: Candles) -> Masks:
    def extreme(column: FloatArray, bars: int, pick: Callable[..., float]) -> FloatArray:
        before = [pick(column[i - bars : i]) if i >= bars else np.nan for i in range(len(c))]
        return np.array(before)

    return (
        (c.close > extreme(c.high, 15, np.max)).tolist(),
        (c.close < extreme(c.low, 6, np.min)).tolist(),
        (c.close < extreme(c.low, 15, np.min)).tolist(),
        (c.close > extreme(c.high, 6, np.max)).tolist(),
    )


def _supertrend(c: Candles) -> Masks:
    ranges = talib.ATR(c.high, c.low, c.close, 7)
    upper = lower = 0.0
    direction = -1
    turned_up, turned_down = [False] * len(c), [False] * len(c)
    for i in range(7, len(c)):
        middle = (c.high[i] + c.low[i]) / 2
        new_upper, new_lower = middle + 1.5 * ranges[i], middle - 1.5 * ranges[i]
        if i == 7 or c.close[i - 1] > upper or new_upper < upper:
            upper = new_upper
        if i == 7 or c.close[i - 1] < lower or new_lower > lower:
            lower = new_lower
        before = direction
        direction = 1 if c.close[i] > upper else -1 if c.close[i] < lower else direction
        turned_up[i] = i > 7 and before == -1 and direction == 1
        turned_down[i] = i > 7 and before == 1 and direction == -1
    return turned_up, turned_down, turned_down, turned_up


PRESETS: dict[str, tuple[dict[str, Any], Callable[[Candles], Masks]]] = {
    "smaCross": ({"fast": 5, "slow": 12}, lambda c: _averages(c, talib.SMA)),
    "emaCross": ({"fast": 5, "slow": 12}, lambda c: _averages(c, talib.EMA)),
    "rsi": ({"period": 7, "lower": 35, "upper": 60}, _rsi),
    "macd": ({"fast": 5, "slow": 13, "signal": 4}, _macd),
    "bollinger": ({"period": 15, "deviations": 1.5}, _bollinger),
    "supertrend": ({"period": 7, "multiplier": 1.5}, _supertrend),
    "donchian": ({"entry": 15, "exit": 6}, _donchian),
}


@pytest.mark.parametrize("direction", ["long", "short", "both"])
@pytest.mark.parametrize("strategy", PRESETS)
def test_a_preset_trades_as_described(strategy: str, direction: str) -> None:
    parameters, describe = PRESETS[strategy]
    # Prices with many decimals: ties of averages are the business of the indicator tests.
    candles = some_candles(decimals=12)
    long_in, long_out, short_in, short_out = describe(candles)
    nowhere = [False] * len(candles)
    if direction == "short":
        long_in = long_out = nowhere
    if direction == "long":
        short_in = short_out = nowhere
    expected = plain_run(
        list(
            zip(
                *(getattr(candles, name).tolist() for name in ("open", "high", "low", "close")),
                strict=True,
            )
        ),
        list(zip(long_in, long_out, short_in, short_out, strict=True)),
        PlainRules(fee_rate=0.001, size=0.9, stop_loss=0.08),
        CAPITAL,
    )
    execution = {
        "direction": direction,
        "feeRate": 0.001,
        "stopLoss": 0.08,
        "sizing": {"type": "equityFraction", "value": 0.9},
    }
    result = run(strategy, candles, parameters, execution)
    assert len(result.trades) == len(expected.account.trades) > 5
    np.testing.assert_allclose(result.equity, expected.equity, rtol=1e-11)
    sides = {"long": {1}, "short": {-1}, "both": {1, -1}}[direction]
    assert set(result.trades.side.tolist()) == sides
    assert result.notes == []


@pytest.mark.parametrize("strategy", [*PRESETS, "buyAndHold"])
def test_a_prefix_of_the_candles_gives_a_prefix_of_the_equity(strategy: str) -> None:
    parameters = PRESETS[strategy][0] if strategy in PRESETS else {}
    candles = some_candles()
    execution = {"direction": "both", "stopLoss": 0.05, "trailingStop": 0.07, "feeRate": 0.001}
    whole = run(strategy, candles, parameters, execution)
    for bars in (1, 2, 40, 333, 699):
        prefix = run(strategy, candles.rows(0, bars), parameters, execution)
        np.testing.assert_array_equal(prefix.equity, whole.equity[:bars])


def test_buy_and_hold_fills_at_the_second_open_and_never_leaves() -> None:
    candles = some_candles(bars=50)
    result = run("buyAndHold", candles)
    assert result.trades.entry_index.tolist() == [1]
    assert result.trades.exit_index.tolist() == [-1]
    assert result.equity[-1] == pytest.approx(CAPITAL * candles.close[-1] / candles.open[1])


@pytest.mark.parametrize(("direction", "side"), [("short", -1), ("both", 1)])
def test_buy_and_hold_in_other_directions(direction: str, side: int) -> None:
    result = run("buyAndHold", some_candles(bars=50), execution={"direction": direction})
    assert result.trades.side.tolist() == [side]


def test_buy_and_hold_of_one_bar_does_nothing() -> None:
    result = run("buyAndHold", some_candles(bars=1))
    assert result.equity.tolist() == [CAPITAL]
    assert len(result.trades) == 0


@pytest.mark.parametrize("strategy", ["smaCross", "emaCross", "rsi", "macd", "bollinger"])
def test_a_period_beyond_the_data_is_a_note_not_an_error(strategy: str) -> None:
    key = "slow" if strategy in ("smaCross", "emaCross", "macd") else "period"
    result = run(strategy, some_candles(bars=60), {key: 61})
    assert len(result.trades) == 0
    assert set(result.equity.tolist()) == {CAPITAL}
    assert len(result.notes) == 1
    assert "has no value on any of the 60 bars" in result.notes[0]


@pytest.mark.parametrize("direction", ["short", "both"])
def test_missing_short_rules_are_noted(direction: str) -> None:
    always, never = {"above": [1, 0]}, {"above": [0, 1]}
    result = run(
        "rules",
        some_candles(bars=10),
        {"entry": always, "exit": never},
        {"direction": direction},
    )
    assert len(result.trades) == (1 if direction == "both" else 0)
    assert result.notes == [
        f"Direction is {direction}, but there is no shortEntry: nothing is sold short."
    ]


def test_rules_trade_both_sides_by_their_own_conditions() -> None:
    candles = Candles.from_closes(
        "TEST", "1d", [86_400_000 * i for i in range(8)], [10, 11, 12, 11, 10, 9, 8, 9]
    )
    rules = {
        "entry": {"crossesAbove": ["close", 10.5]},
        "exit": {"crossesBelow": ["close", 11.5]},
        "shortEntry": {"crossesBelow": ["close", 9.5]},
        "shortExit": {"crossesAbove": ["close", 8.5]},
    }
    result = run("rules", candles, rules, {"direction": "both", "fillOn": "close"})
    trades = result.trades
    assert trades.side.tolist() == [1, -1]
    assert trades.entry_price.tolist() == [11.0, 9.0]
    assert trades.exit_price.tolist() == [11.0, 9.0]
    assert trades.exit_index.tolist() == [3, 7]


def test_a_rule_equals_the_preset_it_spells_out() -> None:
    candles = some_candles()
    rules = {
        "indicators": {"a": {"type": "sma", "period": 5}, "b": {"type": "sma", "period": 12}},
        "entry": {"crossesAbove": ["a", "b"]},
        "exit": {"crossesBelow": ["a", "b"]},
    }
    by_rule = run("rules", candles, rules)
    by_preset = run("smaCross", candles, {"fast": 5, "slow": 12})
    np.testing.assert_array_equal(by_rule.equity, by_preset.equity)
    assert len(by_preset.trades) > 10


def test_every_execution_setting_reaches_the_account() -> None:
    candles = some_candles()
    plain = run("smaCross", candles)
    for setting in (
        {"fillOn": "close"},
        {"feeRate": 0.01},
        {"feePerTrade": 5},
        {"slippageRate": 0.01},
        {"sizing": {"type": "notional", "value": 500}},
        {"sizing": {"type": "units", "value": 2}},
        {"sizing": {"wholeUnits": True}},
        {"direction": "short"},
        {"direction": "both"},
        {"stopLoss": 0.01},
        {"takeProfit": 0.01},
        {"trailingStop": 0.01},
    ):
        assert not np.array_equal(run("smaCross", candles, {}, setting).equity, plain.equity)
    both = {"stopLoss": 0.003, "takeProfit": 0.003}
    policies = [
        run("smaCross", candles, {}, {**both, "intrabar": policy})
        for policy in ("pessimistic", "optimistic", "nearestExtreme")
    ]
    assert len({float(result.equity[-1]) for result in policies}) == 3
    assert all(result.trades.ambiguous.any() for result in policies)
    held = run("buyAndHold", candles, {}, {"closeAtEnd": True})
    assert held.trades.exit_reason.tolist() == [ExitReason.END_OF_DATA]
    assert len(run("smaCross", candles, maxCycles=3).trades) == 3


def test_a_stop_before_the_start_computes_nothing() -> None:
    config = parse_config(
        {
            "strategyId": "smaCross",
            "symbol": "TEST",
            "startDate": "1970-01-01",
            "endDate": "1980-01-01",
            "startingCapital": CAPITAL,
        }
    )
    with pytest.raises(Stopped):
        simulate(config, some_candles(), should_stop=lambda: True)


def test_progress_ends_at_one() -> None:
    config = parse_config(
        {
            "strategyId": "buyAndHold",
            "symbol": "TEST",
            "startDate": "1970-01-01",
            "endDate": "1980-01-01",
            "startingCapital": CAPITAL,
        }
    )
    heard: list[float] = []
    simulate(config, some_candles(), heard.append)
    assert heard[-1] == 1.0
    assert heard == sorted(heard)


def test_the_rules_of_a_preset_are_made_once_for_the_same_parameters() -> None:
    def rules(fast: int) -> Any:
        return rules_of(cross_config(fast))

    assert rules(3) is rules(3)
    assert rules(3) == as_rules("smaCross", cross_config(3).parameters)
    assert [rules(fast).indicators["fast"].period for fast in (3, 4, 3)] == [3, 4, 3]


def test_rules_are_taken_as_they_are() -> None:
    written = {"entry": {"above": ["close", 1]}, "exit": {"below": ["close", 1]}}
    config = parse_config({**ENVELOPE, "strategyId": "rules", "parameters": written})
    assert rules_of(config) is config.parameters
