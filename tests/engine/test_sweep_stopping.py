"""A sweep that another thread has had enough of."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from engine import Candles, run_sweep
from engine.sweep import Ending
from tests.support.markets import config, walk
from tests.support.patience import PATIENCE_SECONDS

VARIANTS = 100_000
SLEEVES = [
    {"weight": 0.5, "config": {"strategyId": "smaCross"}},
    {"weight": 0.5, "config": {"strategyId": "wheel"}},
]


class Made:
    """As many variants as a sweep may have, made when they are asked for, and counted."""

    def __init__(self, path: str, first: float, step: float) -> None:
        self._path = path
        self._first = first
        self._step = step
        self.asked = 0

    def __len__(self) -> int:
        return VARIANTS

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        self.asked += 1
        return {self._path: self._first + self._step * index}


class Impatient:
    """A thread that wants the sweep to end once it is on its way."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Impatient":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.set()
        self._thread.join()

    def _ask(self) -> None:
        self._begun.wait(PATIENCE_SECONDS)
        self._wanted.set()

    def hear(self, fraction: float) -> None:
        """Progress: holds the sweep's own thread until the other one has spoken."""
        if fraction > 0.0:
            self._begun.set()
            assert self._wanted.wait(PATIENCE_SECONDS)

    def wants_an_end(self) -> bool:
        return self._wanted.is_set()


CASES = [
    pytest.param(config(), Made("execution.stopLoss", 0.01, 1e-6), walk(4_000), id="signals"),
    pytest.param(
        config("wheel", startingCapital=1_000_000),
        Made("parameters.spread", 0.0, 1e-6),
        walk(4_000),
        id="wheel",
    ),
    pytest.param(
        config("portfolio", parameters={"sleeves": SLEEVES}),
        Made("parameters.sleeves.0.weight", 0.1, 1e-6),
        walk(4_000),
        id="portfolio",
    ),
]


@pytest.mark.parametrize(("base", "variants", "candles"), CASES)
def test_a_request_of_another_thread_ends_it(
    base: Mapping[str, Any], variants: Made, candles: Candles
) -> None:
    """Not one more variant is looked at, and the few in hand are left where they are.

    All of them would take minutes: a sweep that only ended when it was through would have
    finished them.
    """
    asked_by_then: list[int] = []
    with Impatient() as other:

        def should_stop() -> bool:
            if other.wants_an_end():
                asked_by_then.append(variants.asked)
            return other.wants_an_end()

        result = run_sweep(
            base,
            variants,
            candles,
            keep_best=0,
            threads=2,
            on_progress=other.hear,
            should_stop=should_stop,
        )
    assert result.stopped
    assert variants.asked == asked_by_then[0]
    assert variants.asked < VARIANTS // 2
    assert result.count(Ending.FINISHED) <= variants.asked
    assert result.count(Ending.FAILED) == 0
    assert result.count(Ending.NOT_RUN) == VARIANTS - result.count(Ending.FINISHED)
