"""As many variants as a sweep may have, from their making to the best of them."""

import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine import run_backtest, run_sweep
from engine.digest import SUMMARY_METRICS
from engine.sweep import Ending, overridden
from tests.support.markets import config, walk

MIB = 2**20
VARIANTS = 100_000
BASE = config("bollinger")
#: What is kept of a variant: its figures, its digest, how it ended.
KEPT = 8 * len(SUMMARY_METRICS) + 64 + 8


class Made:
    """Variants that nobody holds, each another one."""

    def __len__(self) -> int:
        return VARIANTS

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return {"parameters.period": 2 + index % 20, "parameters.deviations": 0.2 + index * 1e-5}


def resident() -> int:
    """Bytes of this process in memory, where the system tells them (Linux)."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() if pages.exists() else 0


def test_a_hundred_thousand_variants_run_in_little_memory() -> None:
    """Held as objects, rows of fifteen figures would take some hundred megabytes."""
    candles = walk(30)
    variants = Made()
    # Compilers take memory of their own, and full batches may need kernels that few do not.
    run_sweep(BASE, [variants[index] for index in range(3_000)], candles, keep_best=1)
    before = resident()
    most = before

    def look(fraction: float) -> None:
        nonlocal most
        assert 0.0 <= fraction <= 1.0
        most = max(most, resident())

    result = run_sweep(
        BASE, variants, candles, rank_by="totalReturn", keep_best=5, on_progress=look
    )
    assert max(most, resident()) - before < VARIANTS * KEPT + 64 * MIB
    assert result.count(Ending.FINISHED) == VARIANTS
    assert len(result.best) == 5
    assert np.count_nonzero(result.metrics["tradeCount"]) > VARIANTS // 2
    returns = result.metrics["totalReturn"]
    assert returns[result.best[0].index] == np.max(returns)
    for index in (0, 1_234, VARIANTS - 1):
        single = run_backtest(overridden(BASE, variants[index]), candles)
        assert result.summary_digest(index) == single.summary_digest
