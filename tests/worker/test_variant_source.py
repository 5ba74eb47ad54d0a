"""The variants of a bundle by index: grids counted like digits, lists as they stand."""

from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from tests.support.bundles import GRID, ROWS, a_bundle
from worker.jobs.variants import MAX_VARIANTS, VariantSource


def problems(**values: Any) -> list[tuple[str, str]]:
    with pytest.raises(engine.ConfigError) as raised:
        VariantSource.of(a_bundle(**values))
    return [(problem.path, problem.expected) for problem in raised.value.problems]


class TestGrids:
    def test_the_last_key_changes_fastest(self) -> None:
        source = VariantSource.of(a_bundle())
        assert len(source) == 6
        assert [tuple(source.overrides(index).values()) for index in range(6)] == [
            *((5, 20), (5, 30), (5, 40)),
            *((10, 20), (10, 30), (10, 40)),
        ]
        assert list(source.overrides(0)) == list(GRID)

    @settings(max_examples=50)
    @given(
        st.dictionaries(
            st.sampled_from(["parameters.a", "parameters.b", "execution.c", "label"]),
            st.lists(st.integers(), min_size=1, max_size=5),
            min_size=1,
        )
    )
    def test_every_index_is_one_of_the_product_in_its_order(
        self, grid: dict[str, list[int]]
    ) -> None:
        source = VariantSource.of(a_bundle(parameter_grid=grid))
        expected = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
        assert [source.overrides(index) for index in range(len(source))] == expected
        assert list(source) == expected

    def test_the_largest_grid_is_not_made_to_be_addressed(self) -> None:
        grid = {f"parameters.p{number}": list(range(10)) for number in range(5)}
        source = VariantSource.of(a_bundle(parameter_grid=grid))
        assert len(source) == MAX_VARIANTS
        assert set(source.overrides(MAX_VARIANTS - 1).values()) == {9}
        assert list(source.overrides(12_345).values()) == [1, 2, 3, 4, 5]
        assert len(list(islice(source, 3))) == 3

    def test_one_more_is_refused(self) -> None:
        grid = {"parameters.a": list(range(11)), "parameters.b": list(range(10_000))}
        assert problems(parameter_grid=grid) == [
            ("parameterGrid", f"at most {MAX_VARIANTS} variants")
        ]

    def test_ranges_include_their_stop(self) -> None:
        grid = {"execution.stopLoss": {"start": 0.02, "stop": 0.1, "step": 0.02}}
        source = VariantSource.of(a_bundle(parameter_grid=grid))
        assert [value for one in source for value in one.values()] == [0.02, 0.04, 0.06, 0.08, 0.1]

    def test_an_axis_of_another_shape_is_named(self) -> None:
        assert [path for path, _ in problems(parameter_grid={"a": 5, "b": [1], "c": []})] == [
            "parameterGrid.a",
            "parameterGrid.c",
        ]

    def test_the_paths_are_the_keys(self) -> None:
        assert VariantSource.of(a_bundle()).paths() == set(GRID)


class TestLists:
    def test_an_item_is_a_variant(self) -> None:
        variants = [{"parameters.fast": 5}, {}, {"label": "x"}]
        source = VariantSource.of(a_bundle(variants=variants))
        assert (len(source), source.overrides(2)) == (3, {"label": "x"})
        assert source[0:2] == variants[:2]
        assert source.paths() == {"parameters.fast", "label"}

    def test_items_that_are_no_overrides_are_named(self) -> None:
        variants = [{"a": 1}, [1], {"": 2}, {"a..b": 3}]
        assert [path for path, _ in problems(variants=variants)] == [
            "variants.1",
            "variants.2",
            "variants.3",
        ]

    def test_an_empty_list_is_refused(self) -> None:
        assert problems(variants=[]) == [("variants", "a list of overrides")]

    def test_too_many_are_refused(self) -> None:
        assert problems(variants=[{}] * (MAX_VARIANTS + 1)) == [
            ("variants", f"at most {MAX_VARIANTS} variants")
        ]

    def test_a_stored_list_stands_for_the_document(self) -> None:
        bundle = a_bundle(parameter_grid=None, variants_artifact=ROWS)
        assert len(VariantSource.of(bundle, [{"a": 1}, {"a": 2}])) == 2
        with pytest.raises(ValueError, match="artifact"):
            VariantSource.of(bundle)


class TestWhatABundleSays:
    def test_it_must_say_one_of_both(self) -> None:
        expected = [("parameterGrid", "either parameterGrid or variants")]
        assert problems(parameter_grid=None) == expected
        assert problems(parameter_grid=GRID, variants=[{}]) == expected

    def test_beyond_the_last_there_is_none(self) -> None:
        with pytest.raises(IndexError):
            VariantSource.of(a_bundle()).overrides(6)
