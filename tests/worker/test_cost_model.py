"""Estimates: what they grow with, what they are cut into, and that they are of the right size."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import engine
from engine import expand_grid
from tests.support.markets import config
from worker.jobs.bundle import KeepResults
from worker.jobs.chunks import MAX_CHUNKS
from worker.services.bundles import cost_model
from worker.services.bundles.cost_model import (
    CHUNK_SECONDS,
    LONGEST_CHUNK_SECONDS,
    Estimate,
    estimate_backtest,
    estimate_bundle,
)

SLEEVES = [{"weight": 0.5, "config": {"strategyId": "buyAndHold"}}] * 2


def seconds(base: Mapping[str, Any], variants: Sequence[Mapping[str, Any]] = ({},)) -> float:
    return estimate_bundle(base, variants).seconds


def test_bars_are_those_of_all_variants() -> None:
    one = estimate_backtest(engine.parse_config(config()))
    many = estimate_bundle(config(), [{"parameters.fast": fast} for fast in range(2, 9)])
    assert one.bars == 3654
    assert (many.variants, many.bars) == (7, 7 * 3654)


def test_variants_may_differ_in_what_they_cost() -> None:
    variants = [{"endDate": f"{year}-12-31"} for year in range(2020, 2030)]
    each = [estimate_bundle(config(), [overrides]).bars for overrides in variants]
    assert estimate_bundle(config(), variants).bars == sum(each)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (config(), config(timeframe="1h")),
        (config(), config("emaCross")),
        (config("rsi"), config("supertrend")),
        (config(), config(execution={"stopLoss": 0.1})),
        (config("rsi"), config("wheel")),
        (config("wheel"), config("portfolio", parameters={"sleeves": SLEEVES})),
    ],
)
def test_what_is_more_work_takes_longer(less: dict[str, Any], more: dict[str, Any]) -> None:
    assert 0 < seconds(less) < seconds(more)


PATH = [100.0 + place % 7 for place in range(20_000)]
SLEEVE_ON_A_PATH = {"weight": 1.0, "config": {"strategyId": "buyAndHold", "pricePath": PATH}}


def reading(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> float:
    """Nanoseconds a close that the path adds to the same bars of stored candles."""
    estimate = estimate_bundle(base, [overrides] * 3)
    assert estimate.bars == 3 * len(PATH)
    variant = estimate.seconds / 3 - cost_model.VARIANT_SECONDS
    figure = {"smaCross": cost_model.SIGNAL_BAR_SECONDS, "wheel": cost_model.WHEEL_BAR_SECONDS}
    return (variant / len(PATH) - figure[base["strategyId"]]) * 1e9


@pytest.mark.parametrize(
    ("strategy", "overrides", "nanoseconds"),
    [
        ("smaCross", {}, 5),
        ("smaCross", {"parameters.fast": 3}, 5),
        ("smaCross", {"parameters.fast": 3, "execution.feeRate": 0.001}, 5),
        ("smaCross", {"pricePath": PATH}, 500),
        ("smaCross", {"pricePath.7": 50.0}, 500),
        ("smaCross", {"parameters.fast": 3, "label": "x"}, 500),
        ("smaCross", {"parameters": {"fast": 3, "slow": 5}}, 500),
        ("wheel", {"parameters.dte": 20}, 5),
    ],
)
def test_a_path_of_prices_is_read_once_or_with_each_variant(
    strategy: str, overrides: dict[str, Any], nanoseconds: float
) -> None:
    """Cut by bars alone, most chunks of variants with paths of their own ran out of time."""
    base = config(strategy, pricePath=PATH)
    assert reading(base, overrides) == pytest.approx(nanoseconds)


def test_a_base_without_room_for_overrides_is_read_with_each_variant() -> None:
    base = config(pricePath=[100.12345] * 83_400)
    engine.parse_config(base)
    assert (
        seconds(base, [{"parameters.fast": 3}]) > len(base["pricePath"]) * cost_model.CLOSE_SECONDS
    )


def test_paths_of_sleeves_are_read_with_each_variant() -> None:
    base = config("portfolio", parameters={"sleeves": [SLEEVE_ON_A_PATH]})
    read = len(PATH) * (cost_model.CLOSE_SECONDS + cost_model.SLEEVE_BAR_SECONDS)
    least = read + cost_model.SLEEVE_SECONDS + cost_model.VARIANT_SECONDS
    assert seconds(base, [{"parameters.sleeves.0.weight": 0.5}]) == pytest.approx(least)


def test_full_results_cost_more_than_rows() -> None:
    grid = expand_grid({"parameters.fast": {"start": 2, "stop": 50, "step": 1}})
    none, best, every = (
        estimate_bundle(config(), grid, keep).seconds
        for keep in (KeepResults.NONE, KeepResults.BEST, KeepResults.ALL)
    )
    assert none < best < every
    single = estimate_backtest(engine.parse_config(config())).seconds
    assert every == pytest.approx(49 * single, rel=0.05)


def test_variants_that_are_not_valid_take_no_bars() -> None:
    estimate = estimate_bundle(config(), [{"parameters.fast": 99}, {"nothing": 1}])
    assert (estimate.variants, estimate.bars) == (2, 0)
    assert estimate.seconds > 0


def test_a_hundred_thousand_are_judged_by_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = engine.parse_config

    def counted(given: Mapping[str, Any]) -> Any:
        parsed.append(given["parameters"]["fast"])
        return parse(given)

    monkeypatch.setattr(engine, "parse_config", counted)
    grid = expand_grid({"parameters.fast": {"start": 1, "stop": 100_000, "step": 1}})
    assert estimate_bundle(config(), grid).variants == 100_000
    assert len(parsed) == cost_model.SAMPLE
    assert (parsed[0], parsed[-1]) == (1, 99_001)


@pytest.mark.parametrize(
    ("variants", "took", "size"),
    [
        (8, 0.01, 8),
        (1_000, CHUNK_SECONDS, 1_000),
        (1_000, 2 * CHUNK_SECONDS, 500),
        (1_001, 2 * CHUNK_SECONDS, 501),
        (3, 1_000.0, 1),
        (100_000, MAX_CHUNKS * CHUNK_SECONDS, 100),
        (100_000, 2 * MAX_CHUNKS * CHUNK_SECONDS, 100),
    ],
)
def test_chunks_take_about_a_minute(variants: int, took: float, size: int) -> None:
    estimate = Estimate(variants=variants, bars=0, seconds=took)
    assert estimate.chunk_size == size
    assert not estimate.is_too_long


@pytest.mark.parametrize("took", [70.0, 200.0, 4_000.0, 119_000.0])
def test_no_chunk_is_short_or_long(took: float) -> None:
    size = Estimate(variants=100_000, bars=0, seconds=took).chunk_size
    assert 30 <= size * took / 100_000 <= LONGEST_CHUNK_SECONDS


def test_what_no_number_of_chunks_can_do_is_too_long() -> None:
    most = MAX_CHUNKS * LONGEST_CHUNK_SECONDS
    assert not Estimate(variants=100_000, bars=0, seconds=most).is_too_long
    assert Estimate(variants=100_000, bars=0, seconds=most + 1).is_too_long


def test_an_estimate_needs_no_compiler() -> None:
    code = (
        "import sys; from worker.services.bundles import cost_model; "
        "sys.exit(bool({'numba', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
