"""Rows of variants in columns: written by chunks in any order, read in parts, ranked."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from engine.digest import SUMMARY_METRICS
from engine.sweep import SweepRow, VariantError
from tests.support.bundle_runs import a_bundle
from tests.support.sweep_rows import LOST, a_row
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.chunks import Chunk
from worker.jobs.errors import ErrorCode, JobFailure
from worker.services.bundles.variant_lists import StoredVariants, store_variants, variants_of
from worker.services.bundles.variant_rows import (
    ChunkRows,
    figures_of,
    fingerprint,
    from_json,
    joined,
    lost_rows,
    numbers,
    order_of,
    plain_columns,
    read_rows,
    schema,
    to_json,
)

VARIANTS = [{"parameters.fast": fast} for fast in range(10)]


def rows_of(columns: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pyarrow.table(dict(columns)).to_pylist()
    return found


def test_a_row_says_what_was_set_and_what_came_of_it() -> None:
    rows = ChunkRows(Chunk(start=4, count=1), VARIANTS)
    rows.add(0, a_row())
    (row,) = rows_of(rows.columns())
    assert row["index"] == 4
    assert from_json(row["overrides"]) == {"parameters.fast": 4}
    assert figures_of(row) == a_row().figures()
    assert row["summaryDigest"] == a_row().summary_digest
    assert (row["uptrendCycles"], row["uptrendAvgCycleReturn"]) == (3, 0.01)
    assert (row["sidewaysCycles"], row["sidewaysAvgCycleReturn"]) == (4, -0.02)
    assert (row["errorCode"], row["errorMessage"]) == (None, None)
    assert (rows.completed, rows.failed) == (1, 0)


def test_rows_come_in_any_order() -> None:
    rows = ChunkRows(Chunk(start=0, count=3), VARIANTS)
    rows.add(2, a_row(0, sharpe=2.0))
    rows.add(0, a_row(1, sharpe=0.0))
    rows.add(1, SweepRow(2, error=VariantError("INVALID_CONFIG", "fast: less than slow")))
    found = rows_of(rows.columns())
    assert [row["sharpe"] for row in found] == [0.0, None, 2.0]
    assert [row["index"] for row in found] == [0, 1, 2]
    assert found[1]["errorMessage"] == "fast: less than slow"
    assert (rows.completed, rows.failed) == (2, 1)


def test_half_a_character_fails_no_more_than_its_variant() -> None:
    variants = [{"label": "\ud800"}, {"label": "é"}]
    rows = ChunkRows(Chunk(start=0, count=2), variants)
    rows.add(0, SweepRow(0, error=VariantError("INVALID_CONFIG", "\ud800: no such field")))
    rows.add(1, a_row(1))

    found = rows_of(rows.columns())

    assert [from_json(row["overrides"]) for row in found] == variants
    assert found[0]["errorMessage"] == "?: no such field"
    assert found[1]["overrides"] == '{"label":"é"}'


def test_the_rest_gets_one_reason() -> None:
    rows = ChunkRows(Chunk(start=0, count=3), VARIANTS)
    rows.add(1, a_row())
    rows.end_rest(JobFailure(ErrorCode.TIMEOUT, "no time"))
    codes = [row["errorCode"] for row in rows_of(rows.columns())]
    assert codes == ["TIMEOUT", None, "TIMEOUT"]
    assert (rows.completed, rows.failed) == (1, 2)
    rows.end_rest(JobFailure(ErrorCode.CANCELLED, "again"))
    assert rows.failed == 2


def test_the_columns_have_their_types_even_where_nothing_is_known() -> None:
    columns = lost_rows(Chunk(start=2, count=2), VARIANTS, LOST)
    assert list(columns) == schema().names
    assert [columns[field.name].type for field in schema()] == schema().types
    assert {row["errorCode"] for row in rows_of(columns)} == {"WORKER_LOST"}
    assert set(SUMMARY_METRICS) <= set(columns)


def test_chunks_are_joined_and_read_again(tmp_path: Path) -> None:
    store = ParquetFiles(tmp_path)
    first = ChunkRows(Chunk(start=0, count=2), VARIANTS)
    first.add(0, a_row())
    first.add(1, a_row(sharpe=None))
    table = joined([first.columns(), lost_rows(Chunk(start=2, count=1), VARIANTS, LOST)])
    content = store.read(store.put("b1/variants", plain_columns(table)))
    assert read_rows(content).to_pylist() == table.to_pylist()
    some = read_rows(content, ["index", "sharpe"])
    assert some.column_names == ["index", "sharpe"]
    np.testing.assert_array_equal(numbers(some, "sharpe"), [0.7, math.nan, math.nan])
    np.testing.assert_array_equal(numbers(table, "tradeCount"), [7.0, 7.0, math.nan])


def test_nothing_is_joined_to_nothing() -> None:
    assert joined([]).schema == schema()


@pytest.mark.parametrize(
    ("descending", "expected"), [(True, [3, 0, 4, 1, 2]), (False, [1, 0, 4, 3, 2])]
)
def test_nulls_are_last_in_either_order_and_ties_go_by_index(
    descending: bool, expected: list[int]
) -> None:
    values = np.array([1.0, -1.0, math.nan, 5.0, 1.0])
    order = order_of(values, np.array([10, 11, 12, 13, 14]), descending=descending)
    assert order.tolist() == expected
    assert order_of(values[[0, 4]], np.array([14, 10]), descending=descending).tolist() == [1, 0]


def test_overrides_keep_their_order_and_what_json_has_no_word_for() -> None:
    overrides = {"b": [1, 2.5, "ü"], "a": {"start": None}}
    assert list(from_json(to_json(overrides))) == ["b", "a"]
    assert from_json(to_json(overrides)) == overrides
    assert from_json(to_json({"x": math.nan, "y": -math.inf})) == {"x": "NaN", "y": "-Infinity"}


def test_a_long_list_of_variants_lies_in_an_artifact(tmp_path: Path) -> None:
    store = ParquetFiles(tmp_path)
    artifact = store_variants(store, "b1", VARIANTS)
    source = variants_of(a_bundle(parameter_grid=None, variants_artifact=artifact), store)
    assert len(source) == 10
    assert source.overrides(3) == {"parameters.fast": 3}
    assert source[2:4] == VARIANTS[2:4]
    assert list(source) == VARIANTS
    with pytest.raises(IndexError):
        source.overrides(10)
    with pytest.raises(FileNotFoundError):
        variants_of(a_bundle("b2", parameter_grid=None, variants_artifact=artifact), EmptyStore())


def test_a_list_of_the_document_is_read_there(tmp_path: Path) -> None:
    source = variants_of(a_bundle(variants=VARIANTS), ParquetFiles(tmp_path))
    assert list(source) == VARIANTS


class EmptyStore(ParquetFiles):
    def __init__(self) -> None:
        super().__init__(Path("/nowhere"))


def test_stored_variants_are_a_sequence(tmp_path: Path) -> None:
    store = ParquetFiles(tmp_path)
    stored = StoredVariants(store.read(store_variants(store, "b1", VARIANTS)))
    assert stored[-1] == VARIANTS[-1]
    assert VARIANTS[4] in stored
    assert stored.index(VARIANTS[4]) == 4


def test_a_fingerprint_is_of_the_content_however_it_is_chunked() -> None:
    whole = pyarrow.table({"index": [0, 1, 2], "label": ["a", None, "c"]})
    parts = pyarrow.concat_tables([whole.slice(0, 2), whole.slice(2)])
    assert parts["index"].num_chunks == 2
    assert fingerprint(parts) == fingerprint(whole)
    other = whole.set_column(1, "label", [["a", None, "d"]])
    assert len({fingerprint(table) for table in (whole, other, whole.slice(1))}) == 3
    assert len(fingerprint(whole)) == 16
