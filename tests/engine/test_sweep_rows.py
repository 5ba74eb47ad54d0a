"""Rows of a sweep as they come: each variant once, in bounded lists, until told to stop."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest

from engine import Candles, ConfigError, expand_grid, run_backtest, run_sweep, sweep, sweep_rows
from engine.sweep import Leaders, SweepRow, VariantError, overridden
from engine.sweeps import shared, tiles
from engine.sweeps.rows import failure
from tests.support.markets import config, walk


class Counted:
    """Variants that are made when they are asked for; remembers how many were."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.asked = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        self.asked += 1
        return {"parameters.fast": 1 + index % 15, "parameters.slow": 20 + index // 15 % 40}


def test_every_variant_has_one_row_equal_to_its_single_run() -> None:
    grid = expand_grid({"parameters.fast": [2, 5, 30], "execution.stopLoss": [None, 0.05]})
    rows = [row for some in sweep_rows(config(), grid, walk(300)) for row in some]
    assert sorted(row.index for row in rows) == list(range(6))
    for row in rows:
        if row.error is not None:
            assert grid[row.index]["parameters.fast"] == 30
            assert row.error.code == "INVALID_CONFIG"
            assert row.figures() is None
            assert row.summary_digest is None
            continue
        single = run_backtest(overridden(config(), grid[row.index]), walk(300))
        assert row.summary_digest == single.summary_digest
        assert row.figures()["sharpe"] == single.metrics.sharpe  # type: ignore[index]  # it has finished


def test_rows_come_before_all_variants_are_read() -> None:
    variants = Counted(50_000)
    rows = sweep_rows(config(), variants, walk(40), threads=2, figures="trades")
    first = next(iter(rows))
    assert 0 < len(first) <= 1024
    assert variants.asked < 20_000
    rows.close()  # type: ignore[attr-defined]  # a generator
    asked = variants.asked
    assert list(rows) == []
    assert variants.asked == asked


def test_memory_does_not_grow_with_the_number_of_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "MOST_ROWS", 64)
    monkeypatch.setattr(tiles, "BATCH_VARIANTS", 100)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            for some in sweep_rows(config(), Counted(count), walk(30), threads=2, figures="trades"):
                assert len(some) <= 64
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What is compiled first is not counted, and takes its time if it is.
    assert sum(map(len, sweep_rows(config(), Counted(200), walk(30), figures="trades"))) == 200
    few = peak(400)
    # Threads run ahead of their reader by more or less, so a peak varies by a third: memory that
    # grew with the variants would be near ten times the first.
    assert peak(4_000) < 2 * few


def test_told_to_stop_it_gives_what_is_finished_and_ends() -> None:
    seen: list[int] = []
    variants = Counted(30_000)
    rows = sweep_rows(config(), variants, walk(100), should_stop=lambda: bool(seen))
    for some in rows:
        seen.extend(row.index for row in some)
    assert 0 < len(seen) < 30_000
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"figures": "some"}, "figures: expected one of"), ({"base": 3}, "baseConfig: expected an")],
)
def test_bad_arguments_are_refused_by_the_call_itself(changes: Any, message: str) -> None:
    arguments = {"base": config(), "overrides": [{}], **changes}
    with pytest.raises(ConfigError, match=message):
        sweep_rows(**arguments)


@pytest.mark.parametrize("variants", [Counted(40), tuple(Counted(40)[n] for n in range(40))])
def test_what_has_a_length_and_an_index_will_do(variants: Any) -> None:
    result = run_sweep(config(), variants, walk(100), keep_best=3)
    usual = run_sweep(config(), [variants[n] for n in range(40)], walk(100), keep_best=3)
    assert [row["summaryDigest"] for row in result.rows()] == [
        row["summaryDigest"] for row in usual.rows()
    ]
    assert [one.index for one in result.best] == [one.index for one in usual.best]
    assert [one.overrides for one in result.best] == [one.overrides for one in usual.best]


def test_what_can_only_be_iterated_will_do() -> None:
    """A mapping's values have no index."""
    variants = {name: {"parameters.fast": name} for name in (3, 5, 7)}.values()
    result = run_sweep(config(), variants, walk(100), keep_best=2)
    assert [one.overrides["parameters.fast"] for one in result.best] == [
        (3, 5, 7)[one.index] for one in result.best
    ]


@pytest.mark.parametrize("keep", [0, 1, 4, 100])
def test_leaders_are_the_first_of_the_ranking(keep: int) -> None:
    variants = [Counted(1)[n] for n in range(40)] + [
        {"parameters.fast": 200, "parameters.slow": 300},
        {"parameters.fast": 0},
    ]
    leaders = Leaders("profitFactor", keep)
    result = run_sweep(config(), variants, walk(150, 3), rank_by="profitFactor")
    for some in sweep_rows(config(), variants[::-1], walk(150, 3)):
        for row in some:
            moved = SweepRow(len(variants) - 1 - row.index, row.metrics, error=row.error)
            leaders.add(moved)
    assert [row.index for row in leaders.rows()] == result.ranking()[:keep]
    assert len(result.ranking()) == 41


def test_an_unforeseen_failure_is_an_engine_error_with_its_kind() -> None:
    row = failure(3, ZeroDivisionError("division by zero"))
    assert row.error == VariantError("ENGINE_ERROR", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(("figures", "times"), [("trades", 0), ("drawdown", 0), ("all", 1)])
def test_candles_are_hashed_only_for_rows_that_say_so(
    monkeypatch: pytest.MonkeyPatch, figures: Any, times: int
) -> None:
    hashed: list[object] = []

    def fingerprint_of(bars: Candles, series: Mapping[str, Candles]) -> str:
        hashed.append(series)
        return f"sha256:{len(bars)}"

    monkeypatch.setattr(shared, "fingerprint_of", fingerprint_of)
    rows = sweep_rows(config(), Counted(40), walk(60), figures=figures, threads=1)
    found = {row.fingerprint for some in rows for row in some}
    assert found == ({"sha256:60"} if times else {""})
    assert len(hashed) == times
