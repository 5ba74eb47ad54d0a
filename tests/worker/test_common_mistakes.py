"""What refuses a bundle: mistakes that all of its variants share, and no others."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import Mock

import pytest

import engine
from tests.support.control import CONFIG
from worker.jobs.variants import VariantSource
from worker.services.bundles import common_mistakes as module
from worker.services.bundles.common_mistakes import common_mistakes

Variants = list[dict[str, Any]]
Told = list[tuple[str, str, str]]


def told(variants: Variants | Mapping[str, Any], base: Mapping[str, Any] = CONFIG) -> Told:
    """Path, expected and got of each mistake; ``variants`` is a list or a grid."""
    listed = variants if isinstance(variants, list) else engine.expand_grid(variants)
    return [
        (problem.path, problem.expected, problem.got)
        for problem in common_mistakes(base, VariantSource(listed))
    ]


def paths(variants: Variants | Mapping[str, Any], base: Mapping[str, Any] = CONFIG) -> list[str]:
    return [path for path, _, _ in told(variants, base)]


class TestTheBase:
    def test_a_sound_one_has_no_problems(self) -> None:
        assert paths([{"parameters.fast": 3}]) == []

    def test_what_every_variant_sets_may_be_missing(self) -> None:
        base = {name: value for name, value in CONFIG.items() if name != "symbol"}
        assert paths([{"symbol": "SPY"}, {"symbol": "QQQ"}], base) == []
        assert paths([{"parameters.fast": 3}], base) == ["baseConfig.symbol"]

    def test_a_variant_that_is_wrong_by_itself_fails_alone(self) -> None:
        """Even where the engine blames a field that no variant sets."""
        assert paths([{"parameters.fast": fast} for fast in (50, 20, 30)]) == []

    def test_one_sound_variant_is_enough(self) -> None:
        assert paths([{"startDate": "2030-01-01"}] * 9 + [{}]) == []

    def test_one_sound_value_is_enough_wherever_it_stands_on_its_axis(self) -> None:
        """Looked at by equal steps, all variants but one in ten would be passed over."""
        fast = [50] * 3 + [5] + [50] * 6
        grid = {"startingCapital": list(range(1, 101)), "parameters.fast": fast}
        assert told({**grid, "parameters.fast": [50]}) == [
            ("baseConfig.parameters.slow", "more than fast (50)", "10")
        ]
        assert told(grid) == []

    def test_a_mistake_within_what_an_override_replaces_is_none(self) -> None:
        base = {**CONFIG, "parameters": {"fast": "x"}}
        assert paths([{"parameters": {"fast": 1, "slow": 2}}], base) == []

    def test_an_unknown_key_of_the_base_is_its_own(self) -> None:
        assert paths([{"parameters.fast": 3}], {**CONFIG, "oops": 1}) == ["baseConfig.oops"]

    def test_what_most_strategies_do_not_know_may_be_for_one(self) -> None:
        assert paths({"strategyId": ["buyAndHold", "wheel"]}) == [
            "baseConfig.parameters.fast",
            "baseConfig.parameters.slow",
        ]
        assert paths({"strategyId": ["buyAndHold"] * 300 + ["smaCross"]}) == []


class TestPaths:
    def test_one_that_no_config_has(self) -> None:
        unknown = ("no such key", "the unknown key 'fastt'")
        grid = {"parameters.fastt": [3, 4], "parameters.slow": [20, 30]}
        assert told(grid) == [("parameterGrid.parameters.fastt", *unknown)]
        listed: Variants = [{"parameters.fastt": 3}, {"parameters.fastt": 4, "symbol": "QQQ"}]
        assert told(listed) == [("variants.0.parameters.fastt", *unknown)]

    def test_all_of_them_are_told_with_those_of_the_base(self) -> None:
        grid = {"parameters.fastt": [3], "executon.stopLoss": [0.1, 0.2]}
        assert paths(grid, {**CONFIG, "symbol": ""}) == [
            "baseConfig.symbol",
            "parameterGrid.executon.stopLoss",
            "parameterGrid.parameters.fastt",
        ]

    def test_one_in_an_object_that_variants_set(self) -> None:
        grid = {"parameters": [{"fastt": 3, "slow": 20}, {"fastt": 4, "slow": 20}]}
        assert "parameterGrid.parameters.fastt" in paths(grid)

    def test_one_that_leads_through_a_number(self) -> None:
        assert told({"parameters.fast.value": [3, 4]}) == [
            ("parameterGrid.parameters.fast.value", "something to set value in", "5")
        ]

    def test_one_that_some_variants_do_not_set_fails_those_that_do(self) -> None:
        assert paths([{"parameters.fastt": 3}, {"parameters.fast": 3}]) == []
        assert paths([{"parameters.fastt": 3}] * 5_000 + [{"parameters.fast": 3}]) == []

    def test_one_that_only_one_strategy_knows_fails_the_others(self) -> None:
        """Not even where the others come first, and are many."""
        strategies = ["buyAndHold"] * 300 + ["smaCross"]
        assert paths({"strategyId": strategies, "parameters.fast": [3, 4]}) == []
        assert paths({"strategyId": ["buyAndHold", "rsi"], "parameters.fast": [3, 4]}) == [
            "parameterGrid.parameters.fast",
            "baseConfig.parameters.slow",
        ]

    def test_a_value_that_is_wrong_is_its_variants_own(self) -> None:
        assert paths({"parameters.fast": ["x", -1]}) == []
        assert paths({"execution.stopLoss": [7]}) == []

    def test_so_many_kinds_of_variants_may_have_anything(self) -> None:
        kinds = [{"parameters": {"fastt": number}} for number in range(module.MOST_KINDS + 1)]
        assert "variants.0.parameters.fastt" in paths(kinds[:-1])
        assert paths(kinds) == []
        assert paths({"parameters": [kind["parameters"] for kind in kinds]}) == []


@pytest.mark.parametrize(
    ("grid", "most"),
    [
        ({"parameters.fast": list(range(2, 9))}, 1),
        ({"parameters.fastt": list(range(1_000)), "startingCapital": list(range(1, 101))}, 102),
    ],
)
def test_few_variants_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, grid: Mapping[str, Any], most: int
) -> None:
    read = Mock(side_effect=engine.parse_config)
    monkeypatch.setattr(engine, "parse_config", read)
    told(grid)
    assert read.call_count == most
