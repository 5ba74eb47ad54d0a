"""Rows in columns say what rows one by one say; their figures are the single run's."""

import math
import random
from dataclasses import fields
from types import NoneType
from typing import Any, get_args

import numpy as np
import pytest

from engine import sweep_rows
from engine.metrics import Curve, SweepMetrics, figures_of, sweep_metrics
from engine.summary_figures import MAY_BE_NULL
from engine.sweep import Ending, Leaders, SweepResult, SweepRow, run_sweep
from engine.sweeps import accounts as at
from engine.sweeps.blocks import RowBlock
from engine.sweeps.figure_kernels import FIGURES, write_figures
from engine.sweeps.rows import METRIC_NAMES
from tests.support.markets import walk
from tests.support.random_variants import random_signal_variants

NAMES = list(METRIC_NAMES.values())


def random_block(seed: int, count: int, *, fingerprint: str = "sha256:data") -> RowBlock:
    """Few values, so that many are equal; every third one is null."""
    random = np.random.default_rng(seed)
    figures = random.integers(-3, 4, (count, FIGURES)).astype(np.float64)
    figures[:, MAY_BE_NULL] = np.where(
        random.random((count, sum(MAY_BE_NULL))) < 0.3, math.nan, figures[:, MAY_BE_NULL]
    )
    completed = random.integers(0, 3, (count, 3))
    indices = random.permutation(2 * count)[:count]
    return RowBlock(indices, figures, completed, completed * 0.01, fingerprint)


def rows_of(block: RowBlock) -> list[SweepRow]:
    return [row for some in block.lists(7) for row in some]


def test_a_block_gives_rows_in_lists_of_so_many() -> None:
    block = random_block(1, 20)
    assert [len(some) for some in block.lists(7)] == [7, 7, 6]
    rows = rows_of(block)
    assert [row.index for row in rows] == block.indices.tolist()
    for place, row in enumerate(rows):
        found = row.figures()
        assert found is not None
        assert list(found) == NAMES
        for name, value in found.items():
            expected = float(block.column(name)[place])
            assert value == (None if math.isnan(expected) else expected)
        assert isinstance(found["tradeCount"], int)
        assert row.regimes is not None
        assert [one.completed for one in row.regimes] == block.completed[place].tolist()
        assert [one.avg_return for one in row.regimes] == block.average_returns[place].tolist()
        assert row.summary_digest is not None


def test_without_all_figures_there_is_no_digest_and_no_regime() -> None:
    for row in rows_of(random_block(2, 5, fingerprint="")):
        assert row.fingerprint == ""
        assert row.regimes is row.summary_digest is None


@pytest.mark.parametrize("keep", [0, 1, 5, 60, 200])
@pytest.mark.parametrize("rank_by", ["sharpe", "totalReturn", "tradeCount"])
def test_leaders_of_blocks_are_those_of_their_rows(keep: int, rank_by: str) -> None:
    by_block, by_row = Leaders(rank_by, keep), Leaders(rank_by, keep)
    for seed in range(3):
        block = random_block(seed, 40)
        block.indices[:] += 100 * seed
        by_block.add_block(block)
        for row in rows_of(block):
            by_row.add(row)
    assert by_block.rows() == by_row.rows()
    assert len(by_row.rows()) == min(keep, 120)


def test_a_result_keeps_blocks_as_their_rows() -> None:
    by_block, by_row = SweepResult(200, "sharpe"), SweepResult(200, "sharpe")
    for seed in range(2):
        block = random_block(seed, 40, fingerprint=f"sha256:{seed}")
        block.indices[:] += 100 * seed
        by_block.keep_block(block)
        for row in rows_of(block):
            by_row.keep(row)
    assert by_block.rows() == by_row.rows()
    assert by_block.ranking() == by_row.ranking()
    assert by_block.count(Ending.FINISHED) == 80


def test_a_sweep_keeps_what_its_rows_say() -> None:
    base, variants = random_signal_variants(5, 60)
    candles = walk(400, 3)
    result = run_sweep(base, variants, candles)
    again = SweepResult(len(variants), "sharpe")
    for rows in sweep_rows(base, variants, candles):
        for row in rows:
            again.keep(row)
    assert again.rows() == result.rows()


def random_curve(chance: random.Random) -> dict[str, Any]:
    """Sums with zeros and extremes where formulas turn, as a tiled account could have them."""
    bars = chance.choice([1, 2, 3, 500, 10_000])
    trades = chance.choice([0, 1, 7])
    wild = [0.0, 1e-300, 1e300, chance.uniform(0.0, 2.0), chance.uniform(0.0, 50_000.0)]
    losing = [0.0, -1e-300, -1.0, chance.uniform(-3.0, 0.0)]
    return {
        "bars": bars,
        "span": chance.choice([0, 1, 86_400_000, 10**12]) if bars > 1 else 0,
        "final_equity": chance.choice([*wild, -5.0]),
        "total": chance.choice([0.0, chance.uniform(-1.0, 1.0), 1e300]),
        "squares": chance.choice([*wild, 1e-26]),
        "losses": chance.choice(wild),
        "growth": chance.choice([*wild, -1.0]),
        "deepest": chance.choice(losing),
        "compounded": chance.choice(losing),
        "held": chance.randint(0, bars),
        "trades": trades,
        "wins": chance.randint(0, trades),
        "won": chance.choice(wild),
        "lost": chance.choice(wild),
        "gained": chance.choice([*wild, *losing]),
        "fees_paid": chance.choice(wild),
    }


def accounts_of(sums: dict[str, Any]) -> tuple[Any, Any]:
    account = np.zeros((1, at.ACCOUNT_NUMBERS))
    counts = np.zeros((1, at.ACCOUNT_COUNTS), np.int64)
    for column, name in (
        (at.A_EQUITY, "final_equity"), (at.A_TOTAL, "total"), (at.A_SQUARES, "squares"),
        (at.A_LOSSES, "losses"), (at.A_GROWTH, "growth"), (at.A_DEEPEST, "deepest"),
        (at.A_GROWN_DEEPEST, "compounded"), (at.A_WON, "won"), (at.A_LOST, "lost"),
        (at.A_GAINED, "gained"), (at.A_FEES_PAID, "fees_paid"),
    ):  # fmt: skip
        account[0, column] = sums[name]
    # Nothing is left to settle.
    account[0, [at.A_PEAK, at.A_LOW, at.A_GROWN_PEAK, at.A_GROWN_LOW]] = 1.0
    counts[0, [at.A_RETURNS, at.A_HELD, at.A_TRADES, at.A_WINS]] = [
        sums[name] for name in ("bars", "held", "trades", "wins")
    ]
    return account, counts


def curve_of(sums: dict[str, Any], depth: int) -> Curve:
    """What has been counted of the sums; NaN for the rest."""
    bars = sums["bars"]
    own = {name: sums[name] for name in sums.keys() - {"total", "squares", "losses"}}
    counted: dict[str, float] = dict.fromkeys(("mean", "deviation", "downside"), math.nan)
    if depth == at.RETURNS:
        counted["mean"] = sums["total"] / bars
        counted["deviation"] = math.sqrt(sums["squares"] / (bars - 1)) if bars > 1 else math.nan
        counted["downside"] = sums["losses"] / bars
    else:
        own |= {"growth": math.nan, "compounded": math.nan}
    if depth == at.TRADES:
        own["deepest"] = math.nan
    return Curve(**own, **counted)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("depth", [at.TRADES, at.DRAWDOWN, at.RETURNS])
def test_figures_are_those_of_a_single_run(seed: int, depth: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        sums = random_curve(chance)
        bars, capital = sums["bars"], chance.choice([10_000.0, 1e-10, 3.7])
        yearly = chance.choice([252.0, 1e-3, 98_280.0, 1e300])
        figures = np.empty((1, FIGURES))
        account, counts = accounts_of(sums)
        write_figures(
            account, counts, np.array([capital]), np.array([yearly]), bars, sums["span"], depth,
            figures,
        )  # fmt: skip
        expected = figures_of(sweep_metrics(curve_of(sums, depth), capital, yearly)).values()
        assert list(map(repr, figures[0].tolist())) == [
            repr(math.nan if value is None else float(value)) for value in expected
        ], (sums, capital, yearly)


def test_what_may_be_null_is_what_is_declared_so() -> None:
    declared = [NoneType in get_args(field.type) for field in fields(SweepMetrics)]
    assert declared == list(MAY_BE_NULL)
