"""A call that cannot be meant is refused before a variant is looked at, in a sentence."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engine import ConfigError, DataError, expand_grid, run_sweep, sweep_rows
from engine.errors import ConfigProblem
from engine.sweep import Grid
from tests.support.markets import config, walk

CANDLES = walk(40)
LISTED = "a list of objects (expand_grid makes one of a grid)"


class NeverAsked:
    """Variants that nobody may look at."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        raise AssertionError(f"variant {index} was looked at")


def call(sweep: Callable[..., Any], **changes: Any) -> Any:
    return sweep(**{"base": config(), "overrides": NeverAsked(), "candles": CANDLES, **changes})


def refusal(sweep: Callable[..., Any], **changes: Any) -> list[ConfigProblem]:
    with pytest.raises(ConfigError) as refused:
        call(sweep, **changes)
    return refused.value.problems


def no_list() -> Iterator[dict[str, Any]]:
    yield {}


@pytest.mark.parametrize("sweep", [run_sweep, sweep_rows])
@pytest.mark.parametrize(
    ("argument", "value", "problem"),
    [
        ("threads", 0, ("threads", "a whole number ≥ 1", "0")),
        ("threads", -2, ("threads", "a whole number ≥ 1", "-2")),
        ("threads", True, ("threads", "a whole number ≥ 1", "true")),
        ("threads", 2.0, ("threads", "a whole number ≥ 1", "2.0")),
        ("threads", "two", ("threads", "a whole number ≥ 1", "'two'")),
        ("on_progress", 5, ("onProgress", "a function", "5")),
        ("should_stop", True, ("shouldStop", "a function", "true")),
        ("should_stop", False, ("shouldStop", "a function", "false")),
        ("base", None, ("baseConfig", "an object", "null")),
        ("overrides", {"parameters.fast": [1]}, ("overrides", LISTED, "an object of 1 key")),
        ("overrides", {}, ("overrides", LISTED, "an object of 0 keys")),
        ("overrides", None, ("overrides", LISTED, "null")),
        ("overrides", "fast", ("overrides", LISTED, "'fast'")),
        ("overrides", no_list(), ("overrides", LISTED, "a value of type generator")),
        ("figures", ["all"], ("figures", "one of all, drawdown, trades", "a list of 1")),
    ],
)
def test_an_argument_that_cannot_be_is_named(
    sweep: Callable[..., Any], argument: str, value: Any, problem: tuple[str, str, str]
) -> None:
    assert refusal(sweep, **{argument: value}) == [ConfigProblem(*problem)]


@pytest.mark.parametrize(
    ("value", "got"), [(-1, "-1"), (1.5, "1.5"), (None, "null"), ("all", "'all'"), (True, "true")]
)
def test_a_number_of_the_best_is_a_count(value: Any, got: str) -> None:
    problem = ConfigProblem("keepBest", "a whole number ≥ 0", got)
    assert refusal(run_sweep, keep_best=value) == [problem]


def test_all_of_them_are_named_at_once() -> None:
    found = refusal(
        run_sweep, overrides={}, keep_best=-1, threads=0, on_progress=5, should_stop=True
    )
    named = [problem.path for problem in found]
    assert named == ["overrides", "keepBest", "threads", "onProgress", "shouldStop"]


@pytest.mark.parametrize("sweep", [run_sweep, sweep_rows])
def test_candles_that_are_none_are_refused_by_the_call(sweep: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"candles: expected Candles .* got a list of 1"):
        call(sweep, candles=[CANDLES])


@pytest.mark.parametrize(
    "overrides",
    [
        [{"parameters.fast": 3}],
        ({"parameters.fast": 3},),
        expand_grid({"parameters.fast": [3]}),
        Grid({"parameters.fast": [3]}),
        {0: {"parameters.fast": 3}}.values(),
    ],
    ids=["list", "tuple", "grid", "Grid", "collection"],
)
def test_what_lists_variants_is_taken(overrides: Any) -> None:
    result = run_sweep(
        config(),
        overrides,
        CANDLES,
        keep_best=np.int64(1),
        threads=np.int32(1),
        figures="trades",
        rank_by="totalReturn",
    )
    (best,) = result.best
    assert best.overrides == {"parameters.fast": 3}
    assert result.errors == {}
