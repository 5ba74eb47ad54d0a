"""Firestore's maps come in another order in each process that reads them."""

from itertools import permutations
from typing import Any

import pytest

from tests.support.bundles import a_bundle
from worker.adapters.firestore.bundle_documents import bundle_document, read_bundle
from worker.jobs.bundle import Bundle
from worker.jobs.variants import VariantSource

GRID = {"parameters.slow": [50, 100], "execution.stopLoss": [0.1], "parameters.fast": [5, 10]}
BY_NAME = ["execution.stopLoss", "parameters.fast", "parameters.slow"]


def written(**fields: Any) -> dict[str, Any]:
    """The document of a bundle."""
    return bundle_document(a_bundle(**fields))


def read(document: dict[str, Any], **fields: Any) -> Bundle:
    return read_bundle("b1", document | fields, None)


@pytest.mark.parametrize("order", list(permutations(GRID)))
def test_variants_have_the_same_numbers_in_whatever_order_a_grid_is_read(
    order: tuple[str, ...],
) -> None:
    document = written(parameter_grid=GRID)

    bundle = read(document, parameterGrid={path: GRID[path] for path in order})

    assert list(VariantSource.of(bundle)) == list(VariantSource.of(a_bundle(parameter_grid=GRID)))
    assert list(bundle.parameter_grid or ()) == list(GRID)


@pytest.mark.parametrize("order", list(permutations(GRID)))
def test_a_clients_grid_is_taken_by_name(order: tuple[str, ...]) -> None:
    document = written(parameter_grid=GRID)
    del document["gridPaths"]

    bundle = read(document, parameterGrid={path: GRID[path] for path in order})

    assert list(bundle.parameter_grid or ()) == BY_NAME
    assert VariantSource.of(bundle).overrides(1) == {
        "execution.stopLoss": 0.1,
        "parameters.fast": 5,
        "parameters.slow": 100,
    }


@pytest.mark.parametrize("paths", [["parameters.slow"], "parameters.slow", [1, 2, {}], 7, None])
def test_an_order_that_names_other_paths_is_none(paths: Any) -> None:
    bundle = read(written(parameter_grid=GRID), gridPaths=paths)
    assert list(bundle.parameter_grid or ()) == BY_NAME
    assert bundle.defects == ()


def test_what_a_variant_of_a_list_sets_is_set_by_name_around_before_within() -> None:
    inner, outer = ("parameters.fast", 5), ("parameters", {"fast": 1, "slow": 50})
    document = written(parameter_grid=None, variants=[dict([inner, outer]), dict([outer, inner])])

    bundle = read(document)

    assert "gridPaths" not in document
    assert [list(item) for item in bundle.variants or ()] == [["parameters", "parameters.fast"]] * 2


def test_variants_that_are_none_are_left_for_admission_to_refuse() -> None:
    bundle = read(written(parameter_grid=None, variants=[{"a": 1}]), variants=[3, None, "x"])
    assert bundle.variants == [3, None, "x"]
