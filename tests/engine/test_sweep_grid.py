"""Grids are expanded in key order, the last key fastest; overrides reach into configs."""

import itertools
from typing import Any

import pytest

from engine import ConfigError
from engine.sweeps.grid import MAX_VARIANTS, expand_grid
from engine.sweeps.overrides import overridden


def test_the_last_key_changes_fastest() -> None:
    grid = expand_grid({"b": [1, 2], "a": ["x", "y", "z"]})
    expected = [{"b": b, "a": a} for b, a in itertools.product([1, 2], ["x", "y", "z"])]
    assert list(grid) == expected
    assert [grid[place] for place in range(6)] == expected
    assert list(grid[0]) == ["b", "a"]
    assert grid[-1] == {"b": 2, "a": "z"}
    assert grid[1:3] == expected[1:3]
    with pytest.raises(IndexError):
        grid[6]


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ({"start": 0.02, "stop": 0.1, "step": 0.02}, [0.02, 0.04, 0.06, 0.08, 0.1]),
        ({"start": 0.1, "stop": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"start": 5, "stop": 20, "step": 5}, [5, 10, 15, 20]),
        ({"start": 5, "stop": 19, "step": 5}, [5, 10, 15]),
        ({"start": 3, "stop": 3, "step": 1}, [3]),
        ({"start": 3, "stop": 1, "step": -1}, [3, 2, 1]),
        ({"start": 1, "stop": 2, "step": 0.5}, [1.0, 1.5, 2.0]),
        ({"start": 1e-3, "stop": 3e-3, "step": 1e-3}, [0.001, 0.002, 0.003]),
    ],
)
def test_stop_is_included_and_steps_are_decimal(axis: dict[str, Any], values: list[Any]) -> None:
    found = [variant["x"] for variant in expand_grid({"x": axis})]
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([1], "parameterGrid: expected an object"),
        ({"x": 5}, "parameterGrid.x: expected a list of values or an object"),
        ({"x": []}, "parameterGrid.x: expected a list of values or an object"),
        ({"x": {"start": 1, "stop": 2}}, "expected a list of values or an object"),
        ({"x": {"start": 1, "stop": 2, "step": 0}}, "a step that leads from start to stop"),
        ({"x": {"start": 1, "stop": 2, "step": -1}}, "a step that leads from start to stop"),
        ({"x": {"start": 1, "stop": True, "step": 1}}, "finite numbers as start, stop and step"),
        ({"x": {"start": 1, "stop": "2", "step": 1}}, "finite numbers as start, stop and step"),
        ({"x": {"start": 0, "stop": float("inf"), "step": 1}}, "finite numbers"),
        ({"x": {"start": 0, "stop": 1, "step": 1e-9}}, f"at most {MAX_VARIANTS} values"),
        ({"x": list(range(400)), "y": list(range(400))}, "at most 100000 variants, got 160000"),
        ({"": [1]}, "dotted paths as keys"),
        ({"a..b": [1]}, "dotted paths as keys"),
    ],
)
def test_a_bad_axis_is_refused_with_its_path(grid: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand_grid(grid)


def test_every_bad_axis_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        expand_grid({"x": 5, "y": [1], "z": {"start": 0}})
    assert [problem.path for problem in caught.value.problems] == [
        "parameterGrid.x",
        "parameterGrid.z",
    ]


def test_without_axes_there_is_the_base_alone() -> None:
    assert list(expand_grid({})) == [{}]


def test_the_largest_grid_is_held_as_its_axes() -> None:
    grid = expand_grid({"a": list(range(1_000)), "b": list(range(100))})
    assert len(grid) == MAX_VARIANTS
    assert grid[99_999] == {"a": 999, "b": 99}
    assert grid[12_345] == {"a": 123, "b": 45}


def test_overrides_reach_into_objects_and_lists() -> None:
    base = {"a": {"b": 1, "c": 2}, "list": [{"x": 1}, {"x": 2}], "d": 3}
    found = overridden(base, {"a.b": 10, "list.1.x": 20, "new.deep": 5, "d": {"e": 1}, "d.f": 2})
    assert found == {
        "a": {"b": 10, "c": 2},
        "list": [{"x": 1}, {"x": 20}],
        "new": {"deep": 5},
        "d": {"e": 1, "f": 2},
    }
    assert base == {"a": {"b": 1, "c": 2}, "list": [{"x": 1}, {"x": 2}], "d": 3}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"d.e": 1}, "d: expected something to set e in, got 3"),
        ({"list.2.x": 1}, "list: expected something to set 2 in, got a list of 2"),
        ({"list.-1": 1}, "list: expected something to set -1 in"),
        ({"": 1}, "overrides: expected dotted paths as keys"),
        ({5: 1}, "overrides: expected dotted paths as keys"),
        ({f"list.{'9' * 5_000}": 1}, "list: expected something to set 99"),
        ({"a" + ".a" * 5_000: 1}, "overrides: expected paths of at most 40 levels"),
        ([1], "overrides: expected an object"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(overrides: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overridden({"d": 3, "list": [{}, {}]}, overrides)
