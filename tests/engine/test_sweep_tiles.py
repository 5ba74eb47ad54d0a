"""The tiled kernels against the single run's, where tiles, words and rounding have their edges."""

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from engine import Candles, bits, run_backtest
from engine.return_kernels import BLOCK, moments
from engine.simulation import FloatArray
from engine.sweep import Ending, SweepResult, run_sweep, sweep_rows
from engine.sweeps import one_by_one, tiles
from engine.sweeps.overrides import overridden
from engine.sweeps.reading import Reader
from engine.sweeps.rows import SweepRow, Variant
from engine.sweeps.shared import Shared
from tests.support.markets import config, every, rough, walk
from tests.support.random_variants import random_signal_variants

ROOT = Path(__file__).parents[2]


def one_after_the_other(base: Any, overrides: Any, candles: Candles) -> list[SweepRow | None]:
    """What the generic path makes of each variant, None where it cannot be run."""
    shared, reader = Shared(candles), Reader(base)
    found: list[SweepRow | None] = []
    for index, changes in enumerate(overrides):
        variant = reader.read(index, changes)
        if isinstance(variant, Variant):
            found.append(one_by_one.run_variant(index, variant.config, shared, lambda: False))
        else:
            found.append(None)
    return found


def assert_agree(base: Any, overrides: Any, candles: Candles) -> SweepResult:
    """The tiled rows and the generic path's, cycles by regime included."""
    result = SweepResult(len(overrides), "sharpe")
    expected = one_after_the_other(base, overrides, candles)
    for rows in sweep_rows(base, overrides, candles, threads=2):
        for row in rows:
            result.keep(row)
            if row.error is not None:
                assert expected[row.index] is None, row.error
            else:
                assert row == expected[row.index], row.index
    return result


@pytest.mark.parametrize("seed", [1, 2])
def test_prices_that_are_no_decimals(seed: int) -> None:
    base, overrides = random_signal_variants(100 + seed, 150)
    base = {**base, "endDate": "2099-01-01"}
    candles = rough(2_100, seed)
    assert assert_agree(base, overrides, candles).count(Ending.FINISHED) > 100


def test_wild_prices_ruin_alike() -> None:
    """Shorts lose everything, equity goes below zero, and nothing is opened afterwards."""
    base, overrides = random_signal_variants(31, 150)
    for changes in overrides:
        changes["execution"]["direction"] = "both"
        changes["execution"]["stopLoss"] = None
    candles = walk(1_300, 8, volatility=0.09)
    result = assert_agree(base, overrides, candles)
    assert (result.metrics["finalEquity"] < 0.0).any()


def test_equity_of_exactly_nothing() -> None:
    """Its returns are no numbers, and count for no average."""
    close = np.array([100.0, 100.0, 100.0, 200.0, 150.0, 100.0] * 200)
    candles = Candles.from_closes("SPY", "1d", every("1d", len(close)), close)
    base = config("buyAndHold", execution={"direction": "short"})
    result = run_sweep(base, [{}, {"execution.fillOn": "close"}], candles)
    assert result.metrics["finalEquity"].tolist() == [0.0, 0.0]
    for index, changes in enumerate([{}, {"execution.fillOn": "close"}]):
        single = run_backtest(overridden(base, changes), candles)
        assert result.summary_digest(index) == single.summary_digest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROGRAM_VARIANTS", 1),
        ("PROGRAM_VARIANTS", 7),
        ("TILES_A_CALL", 1),
        ("SERIES_BYTES", 1),
        ("BATCH_REGIMES", 1),
        ("BATCH_VARIANTS", 3),
    ],
)
def test_the_cut_of_the_work_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    base, overrides = random_signal_variants(17, 50)
    candles = walk(2_500, 9)
    usual = run_sweep(base, overrides, candles)
    monkeypatch.setattr(tiles, name, value)
    again = run_sweep(base, overrides, candles)
    for index in range(len(overrides)):
        assert again.summary_digest(index) == usual.summary_digest(index)


def test_the_compiler_makes_no_difference() -> None:
    def printed(**settings: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "tests.support.sweep_digests"],
            env={**os.environ, **settings},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    usual = printed()
    assert usual.count("sha256:") > 30
    assert printed(NUMBA_DISABLE_JIT="1") == usual


def test_bits_are_comparisons() -> None:
    random = np.random.default_rng(3)
    left = random.integers(0, 3, 128).astype(np.float64)
    right = random.integers(0, 3, 128).astype(np.float64)
    left[::7] = np.nan
    right[::11] = np.nan
    for first in (0, 3, 64):
        part = slice(first, first + 64)
        above = bits_of(left[part] > right[part])
        assert int(compared(left, right, first)[0]) == above
        assert int(compared(left, right, first)[1]) == bits_of(left[part] <= right[part])


@numba.njit
def compared(left: FloatArray, right: FloatArray, first: int) -> tuple[np.uint64, np.uint64]:
    return bits.greater(left, right, first), bits.at_most(left, right, first)


def bits_of(mask: Any) -> int:
    return sum(1 << place for place, is_set in enumerate(mask.tolist()) if is_set)


@pytest.mark.parametrize("case", ["walk", "constant", "drift", "flat", "blocks"])
def test_deviation_is_exact_to_the_last_digits(case: str) -> None:
    """Against fractions, also where the mean is a million times the deviation."""
    random = np.random.default_rng(2)
    count = 2 * BLOCK + 300
    returns = {
        "walk": random.normal(0.0, 0.01, count),
        "constant": np.full(count, 1e-3),
        "drift": 1.0 + random.normal(0.0, 1e-6, count),
        "flat": np.where(random.random(count) < 0.1, random.normal(0.0, 0.02, count), 0.0),
        "blocks": np.repeat([0.0, 0.02, -0.01], [BLOCK, BLOCK, 300]),
    }[case]
    mean, deviation, downside, _ = moments(returns)
    exact = [Fraction(float(value)) for value in returns]
    average = Fraction(sum(exact), count)
    variance = Fraction(sum((value - average) ** 2 for value in exact), count - 1)
    assert mean == pytest.approx(float(average), rel=1e-13, abs=1e-18)
    assert deviation == pytest.approx(math.sqrt(variance), rel=1e-9, abs=1e-17)
    losses = Fraction(sum(value**2 for value in exact if value < 0), count)
    assert downside == pytest.approx(float(losses), rel=1e-12)
