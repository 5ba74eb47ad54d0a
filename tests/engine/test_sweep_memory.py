"""What a sweep takes beyond its candles: megabytes for a thousand variants, whatever the bars."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from engine import Candles, expand_grid, run_sweep, sweep_rows
from engine.indicator_parameters import OUTPUTS
from engine.sweep import Ending, Variants
from tests.support.markets import config, every, walk

MIB = 2**20
#: A thousand variants may take this much.
MOST = 16 * MIB

SHORT = walk(3_000, 3, timeframe="1h", volatility=0.002)


def repeated(candles: Candles, times: int) -> Candles:
    """The same prices again and again."""
    columns = [
        getattr(candles, name).repeat(times) for name in ("open", "high", "low", "close", "volume")
    ]
    bars = len(candles) * times
    return Candles(candles.symbol, candles.timeframe, every(candles.timeframe, bars), *columns)


LONG = repeated(SHORT, 50)
#: Candles are checked once, with some flags a bar; a single array of numbers would take 8 bytes.
FLAGS = 7 * (len(LONG) - len(SHORT))


def peak(base: Mapping[str, Any], variants: Variants, candles: Any) -> int:
    """Bytes, as Python and numpy allocate them; what is loaded once does not count."""
    run_sweep(base, [next(iter(variants))], candles, keep_best=0)
    tracemalloc.start()
    try:
        for rows in sweep_rows(base, variants, candles, threads=2):
            assert all(row.error is None for row in rows)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def indicators(kind: str, period: int) -> dict[str, Any]:
    """An indicator whose state is as large as its periods make it."""
    fields: dict[str, dict[str, Any]] = {
        "macd": {"fast": period, "slow": period + 20, "signal": period},
        "stochastic": {"fastK": period, "slowK": period, "slowD": 3},
        "stochRsi": {"period": period, "fastK": period, "fastD": 3},
    }
    return {"type": kind, **fields.get(kind, {"period": period})}


def rules(kind: str, period: int) -> dict[str, Any]:
    """Rules that look at every output of two indicators of one type."""
    names = [f"{one}{output}" for one in ("a", "b") for output in OUTPUTS[kind]]
    entry = {"any": [{"crossesAbove": ["close", name]} for name in names]}
    exit_ = {"any": [{"crossesBelow": ["close", name]} for name in names]}
    both = {"a": indicators(kind, period), "b": indicators(kind, period + 7)}
    return {"indicators": both, "entry": entry, "exit": exit_}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_no_indicator_takes_memory_for_every_bar(kind: str) -> None:
    """Fifty times the bars, and not even one number more for each."""
    base = config("rules", timeframe="1h")
    variants = [{"parameters": rules(kind, 5 + 9 * number)} for number in range(12)]
    assert peak(base, variants, LONG) - peak(base, variants, SHORT) < FLAGS


PRESETS: dict[str, dict[str, Any]] = {
    "buyAndHold": {"execution.feeRate": {"start": 0.0, "stop": 0.011, "step": 0.001}},
    "smaCross": {"parameters.fast": list(range(2, 14))},
    "emaCross": {"parameters.fast": list(range(2, 14))},
    "rsi": {"parameters.period": list(range(2, 14))},
    "macd": {"parameters.fast": list(range(2, 14))},
    "bollinger": {"parameters.period": list(range(2, 14))},
    "supertrend": {"parameters.period": list(range(2, 14))},
    "donchian": {"parameters.entry": list(range(2, 14))},
}


@pytest.mark.parametrize("strategy", PRESETS)
def test_no_preset_takes_memory_for_every_bar(strategy: str) -> None:
    base = config(strategy, timeframe="1h")
    variants = expand_grid(PRESETS[strategy])
    assert peak(base, variants, LONG) - peak(base, variants, SHORT) < FLAGS


def test_a_thousand_crosses_take_little() -> None:
    axes = {
        "parameters.fast": {"start": 5, "stop": 100, "step": 5},
        "parameters.slow": {"start": 110, "stop": 600, "step": 10},
    }
    assert peak(config("smaCross", timeframe="1h"), expand_grid(axes), SHORT) < MOST / 2


@pytest.mark.parametrize("kind", ["bollinger", "donchian", "stochRsi"])
def test_a_thousand_variants_without_an_indicator_in_common(kind: str) -> None:
    """Two thousand indicators of up to three outputs: they are not all made at once."""
    variants = [{"parameters": rules(kind, 2 + 9 * number)} for number in range(1_000)]
    base = config("rules", timeframe="1h", execution={"stopLoss": 0.02})
    assert peak(base, variants, SHORT) < MOST


def test_a_wheel_takes_two_numbers_a_bar_once() -> None:
    """Dates and volatilities are shared; accounts, curves and trades of a variant go by."""
    base = config(
        "wheel",
        timeframe="1h",
        startingCapital=50_000,
        parameters={"put": {"delta": 0.3}, "call": {"delta": 0.3}, "dte": 7,
                    "volatility": {"model": "constant", "value": 0.2}},
    )  # fmt: skip
    variants = expand_grid({"parameters.spread": [0.0, 0.01], "parameters.cashRate": [0.0, 0.02]})
    more = peak(base, variants, LONG) - peak(base, variants, SHORT)
    assert more < 2 * 8 * len(LONG) + 8 * MIB


def test_results_of_many_variants_are_columns() -> None:
    """A hundred thousand rows of fifteen metrics are 12 MB."""
    variants = [{}] * 2_000
    result = run_sweep(config(), variants, walk(5), keep_best=0, figures="trades")
    assert result.count(Ending.FINISHED) == 2_000
    held = sum(column.nbytes for column in result.metrics.values()) + result.endings.nbytes
    assert held <= 2_000 * (15 * 8 + 1)
