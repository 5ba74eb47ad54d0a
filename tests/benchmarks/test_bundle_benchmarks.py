"""The benchmarks of bundles run on a few variants and bars. No time is asserted."""

import re
from pathlib import Path

import pytest

from benchmarks import bundle_costs, bundles
from engine import expand_grid
from worker.adapters.candle_files import CandleFiles
from worker.services.bundles import cost_model


def test_every_figure_of_the_model_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_costs, "FOR_ROWS", (100, 300))
    monkeypatch.setattr(bundle_costs, "FOR_RESULTS", (100, 300))
    lines = bundle_costs.measured(4, 1, tmp_path)
    assert len(lines) == 2 + len(bundle_costs.kinds()) + 1
    shown = " ".join(lines)
    for seconds in (
        cost_model.SIGNAL_BAR_SECONDS,
        cost_model.SIGNAL_BAR_SECONDS + cost_model.LEVEL_BAR_SECONDS,
        cost_model.SIGNAL_BAR_SECONDS + cost_model.SHARED_CLOSE_SECONDS,
        cost_model.SIGNAL_BAR_SECONDS + cost_model.CLOSE_SECONDS,
        cost_model.WHEEL_BAR_SECONDS,
        2 * cost_model.SLEEVE_BAR_SECONDS,
        cost_model.RESULT_BAR_SECONDS,
    ):
        assert f"{seconds * 1e9:.1f} ns" in shown
    assert f"{cost_model.VARIANT_SECONDS * 1e6:,.0f} µs" in shown


@pytest.mark.parametrize("variants", [1, 20, 100, 10_000])
def test_the_grid_has_as_many_variants_as_asked(variants: int) -> None:
    assert len(expand_grid(bundles.grid_of(variants))) == variants


def test_a_bundle_is_measured_beside_its_sweep(tmp_path: Path) -> None:
    candles = bundle_costs.daily(300)
    CandleFiles(tmp_path / "candles").replace(candles)
    with bundles.on_sqlite(tmp_path) as services:
        line = bundles.measured("SQLite", services, 20, 1, candles)
    assert re.search(r"SQLite +\d+\.\d\d s +\d+ variants/s +sweep alone \d", line)


def test_a_bundle_that_fails_ends_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candles = bundle_costs.daily(300)
    monkeypatch.setattr(bundles, "CONFIG", {**bundles.CONFIG, "symbol": "GONE"})
    with (
        bundles.on_sqlite(tmp_path) as services,
        pytest.raises(SystemExit, match="the bundle failed"),
    ):
        bundles.measured("SQLite", services, 20, 1, candles)
