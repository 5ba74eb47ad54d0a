"""A variant that is read in part is the config that the whole would have been read as."""

import math
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from engine import ConfigError, expand_grid, parse_config
from engine.limits import MAX_BYTES, MAX_KEYS, structural_problems
from engine.sweeps import reading
from engine.sweeps.accounts import R_STOP
from engine.sweeps.overrides import overridden
from engine.sweeps.reading import MOST_FRAMES, Reader
from engine.sweeps.rows import SweepRow, Variant
from tests.engine.test_sweep_overrides import random_overrides
from tests.support.markets import config
from tests.support.strategy_runs import RUNS

#: Paths and values at which reading in part could differ from reading the whole.
PATHS = [
    "parameters.fast", "parameters.slow", "parameters.period", "parameters.lower",
    "parameters.deviations", "parameters.signal", "parameters.dte", "parameters.spread",
    "parameters.nobody", "parameters.indicators.fast.period", "parameters.exit.any.1.above.1",
    "parameters.sleeves.0.weight", "parameters.fast.deeper", "parameters.indicators.new.type",
    "parameters", "parameters.", ".parameters", "parameters..fast", "parameters.f\0st",
    "parameters.\ud800", "parameters.naïve", "parameters." + "x" * 200,
    "parameters." + ".".join("abcdefghij"), "execution", "execution.stopLoss",
    "execution.feeRate", "execution.sizing.value", "execution.fillOn", "startingCapital",
    "strategyId", "symbol", "label", "regime.lookback", "maxCycles", "endDate", "startDate", 7,
]  # fmt: skip
VALUES: list[Any] = [
    0, 1, 2, 5, 30, -1, 2**31, 2**62, 2**63, 2**4000, True, False, None, 0.0, -0.0, 1.0, 2.0, 0.5,
    5.5, 1e308, 5e-324, math.nan, math.inf, "", "5", "ten", "SPY", "close", "smaCross", "wheel",
    "rsi", "portfolio", "2020-01-01", "2031-05-05", "a\0b", "a\nb", "\ud800", "naïve", "x" * 300,
    "x" * MAX_BYTES, [1, 2], [[1]], {}, {"fast": 3}, {"target": 10, "min": 5, "max": 15},
    np.float64(0.25), np.int64(6), (5, 6), b"5", 3 + 0j,
]  # fmt: skip


def read_whole(base: Mapping[str, Any], overrides: Any) -> str:
    """The config in full, or what is wrong with it; 1, 1.0 and −0.0 are told apart."""
    try:
        return repr(parse_config(overridden(base, overrides)))
    except ConfigError as error:
        return str(error)


def read_in_turn(base: Mapping[str, Any], variants: Any) -> list[str]:
    reader = Reader(base)
    found = [reader.read(index, overrides) for index, overrides in enumerate(variants)]
    assert [one.index for one in found] == list(range(len(found)))
    return [
        one.error.message if isinstance(one, SweepRow) and one.error else repr(one.config)  # type: ignore[union-attr]  # a variant
        for one in found
    ]


def assert_read_alike(base: Mapping[str, Any], variants: list[Any]) -> list[str]:
    found = read_in_turn(base, variants)
    for overrides, one in zip(variants, found, strict=True):
        assert one == read_whole(base, overrides), overrides
    return found


def strange_overrides(chance: random.Random) -> dict[Any, Any]:
    paths = chance.sample(PATHS, chance.choice([1, 1, 2, 3]))
    return {path: chance.choice(VALUES) for path in paths}


@pytest.mark.parametrize("name", RUNS)
def test_usual_variants_are_read_as_they_were_alone(name: str) -> None:
    chance = random.Random(name)
    variants = [random_overrides(chance, RUNS[name]["strategyId"]) for _ in range(60)]
    # Again, when what they have in common is known.
    assert_read_alike(RUNS[name], variants + variants)


@pytest.mark.parametrize(
    "name", ["smaCross", "amounts of money", "at the close", "rules", "wheel", "portfolio"]
)
def test_strange_variants_are_read_as_they_were_alone(name: str) -> None:
    chance = random.Random(name)
    variants = [strange_overrides(chance) for _ in range(400)]
    found = assert_read_alike(RUNS[name], [{}, *variants])
    assert len(set(found)) > 100


@pytest.mark.parametrize(
    "base",
    [
        {},
        {"parameters": None},
        {"parameters": 5},
        {"parameters": [{"fast": 3}]},
        config(parameters=None),
        config(parameters=[]),
        config(parameters={"fast": [[1]]}),
        config(parameters=MappingProxyType({"fast": 4})),
        config(parameters={"fast": 4, "stray": 1}),
        config("portfolio"),
        config("nothing"),
        config(label="\0"),
        config(label="x" * MAX_BYTES),
        {**config(), **{f"key{number}": number for number in range(MAX_KEYS - 8)}},
        config("rules", parameters={"entry": {"above": ["close", 1]}, "exit": {"above": [1, 0]}}),
        config(pricePath=[100.0, 101.0, 99.5]),
    ],
)
def test_whatever_the_base_lacks(base: dict[str, Any]) -> None:
    chance = random.Random(3)
    completed = {**config(), "parameters.fast": 3}
    variants = [strange_overrides(chance) for _ in range(100)]
    assert_read_alike(base, [{}, completed, {**completed, "parameters.slow": 9}, *variants])


@pytest.mark.parametrize("overrides", [None, 5, "parameters.fast", [("parameters.fast", 3)]])
def test_a_variant_that_is_no_object(overrides: Any) -> None:
    (message,) = assert_read_alike(config(), [overrides])
    assert message.startswith("overrides: expected an object")


def wholes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is read whole from now on."""
    seen: list[Any] = []

    def parse(raw: Any) -> Any:
        seen.append(raw)
        return parse_config(raw)

    monkeypatch.setattr(reading, "parse_config", parse)
    return seen


def test_variants_of_simple_parameters_are_read_whole_but_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = wholes(monkeypatch)
    grid = expand_grid({"parameters.fast": [2, 3, 4], "parameters.slow": [10, 20.0, 30]})
    found = read_in_turn(config(), grid)
    assert len(set(found)) == 9
    assert len(seen) == 1


def test_each_combination_of_the_other_paths_is_read_whole_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = wholes(monkeypatch)
    money = [100, 100.0, 200, 0.5]
    grid = expand_grid({"parameters.fast": [2, 3, 4], "startingCapital": money, "maxCycles": [0]})
    assert len(set(read_in_turn(config(), grid))) == 9
    assert len(seen) == len(money)


def test_of_stops_only_the_execution_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = wholes(monkeypatch)
    axes = {"execution.stopLoss": [None, 0.1, 1, 1.0], "execution.feeRate": [0.0, 0.01]}
    base = config(execution={"takeProfit": 0.3, "sizing": {"type": "units", "value": 3}})
    found = read_in_turn(base, expand_grid(axes))
    assert len(set(found)) == 6
    assert len(seen) == 1
    assert found == [read_whole(base, one) for one in expand_grid(axes)]


@pytest.mark.parametrize("strategy", ["wheel", "portfolio"])
def test_where_an_execution_may_be_refused_the_whole_is_read(
    monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    seen = wholes(monkeypatch)
    variants = [{"execution.feeRate": rate} for rate in (0.0, 0.01, 0.02)]
    assert_read_alike(RUNS[strategy], variants)
    assert len(seen) == len(variants)


def test_variants_with_the_same_rest_share_what_follows_from_it() -> None:
    reader = Reader(config())
    changes: list[dict[str, Any]] = [
        {"parameters.fast": 3, "execution.stopLoss": 0.1},
        {"parameters.fast": 3, "execution.stopLoss": 0.2},
        {"parameters.fast": 5, "execution.stopLoss": 0.1},
    ]
    found = [reader.read(index, one) for index, one in enumerate(changes)]
    assert all(isinstance(one, Variant) for one in found)
    one, other, again = (variant.frame for variant in found if isinstance(variant, Variant))
    assert one is again
    assert one is not other
    assert one.rules[R_STOP] == 0.1
    assert other.rules[R_STOP] == 0.2
    assert one.choices == other.choices


def test_only_so_many_combinations_are_kept() -> None:
    reader = Reader(config())
    for index in range(3 * MOST_FRAMES):
        reader.read(index, {"execution.stopLoss": 0.5 + index / 1000, "parameters.fast": 3})
        assert len(reader._frames) <= MOST_FRAMES


def test_of_combinations_with_prices_one_is_kept() -> None:
    reader = Reader(config(pricePath=[100.0, 101.0, 102.0]))
    for index in range(5):
        reader.read(index, {"startingCapital": 100 + index})
        assert len(reader._frames) == 1


def test_of_portfolios_none_is_kept() -> None:
    """Each would hold the prices of all its sleeves, and be read whole again nonetheless."""
    sleeve = {"strategyId": "smaCross", "pricePath": [100.0, 101.0, 102.0]}
    reader = Reader(config("portfolio", parameters={"sleeves": [{"weight": 1, "config": sleeve}]}))
    for index in range(5):
        found = reader.read(index, {"startingCapital": 100 + index})
        assert isinstance(found, Variant)
        assert found.config.starting_capital == 100 + index
    assert reader._frames == {}


@pytest.mark.parametrize("spare", [0, 10, 10_000])
def test_room_for_so_many_more_keys_and_bytes(spare: int) -> None:
    sound = config(parameters={"fast": 3})
    assert structural_problems(sound, spare, spare) == ([] if spare <= 10 else ANY_MORE)
    assert structural_problems(sound, 0, spare) == []
    assert structural_problems(sound, 0, MAX_BYTES - 5) != []


ANY_MORE = structural_problems({str(number): 0 for number in range(MAX_KEYS + 1)})
