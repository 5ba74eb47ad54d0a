"""Reducing what strangers wrote to plain data, and saying what was wrong."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.adapters.plain import MAX_DEFECTS, describe, plain_json

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(PLAIN)
def test_plain_data_passes_unchanged(value: Any) -> None:
    defects: list[str] = []

    assert plain_json(value, "x", defects) == value
    assert defects == []


@given(ANYTHING)
def test_anything_becomes_json_and_loses_nothing_silently(value: Any) -> None:
    defects: list[str] = []

    plain = plain_json(value, "x", defects)

    json.dumps(plain, allow_nan=False)
    if not defects:
        assert plain == value


@pytest.mark.parametrize(
    ("value", "plain", "defect"),
    [
        (math.nan, None, "x: expected a finite number, got nan"),
        (-math.inf, None, "x: expected a finite number, got -inf"),
        ([1, math.nan], [1, None], "x[1]: expected a finite number, got nan"),
        (
            {"a": {"b": b"raw"}},
            {"a": {"b": None}},
            "x.a.b: expected plain JSON data, got a value of type bytes",
        ),
        (
            {"t": datetime(2026, 1, 5, tzinfo=UTC)},
            {"t": None},
            "x.t: expected plain JSON data, got a value of type datetime",
        ),
    ],
)
def test_what_json_cannot_say_is_replaced_and_named(value: Any, plain: Any, defect: str) -> None:
    defects: list[str] = []

    assert plain_json(value, "x", defects) == plain
    assert defects == [defect]


def test_bottomless_nesting_is_cut() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = {"a": value}
    defects: list[str] = []

    json.dumps(plain_json(value, "x", defects))

    (defect,) = defects
    assert "32 levels" in defect


def test_after_some_defects_nothing_more_is_said() -> None:
    defects: list[str] = []

    plain_json([math.nan] * 1000, "x", defects)

    assert len(defects) == MAX_DEFECTS


def test_a_path_without_end_is_cut() -> None:
    defects: list[str] = []

    plain_json({"k" * 100_000: math.nan}, "x", defects)

    assert len(defects[0]) < 300


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (10**400, "a number beyond 64 bits"),
        (0.5, "0.5"),
        ("high", "'high'"),
        ("x" * 100, "'" + "x" * 59 + "…'"),
        ({"a": 1}, "a map"),
        ([1], "a list"),
        (b"x", "a value of type bytes"),
    ],
)
def test_values_in_messages(value: Any, text: str) -> None:
    assert describe(value) == text
