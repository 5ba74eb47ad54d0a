"""A digest written in pieces is the digest of the whole, and lets other threads run."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dates import time_strings
from engine.digest import PIECE_ITEMS, digest
from engine.lists import LazyList

LONG = [number / 7 for number in range(3 * PIECE_ITEMS + 1)]


def in_one(value: Any) -> str:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        "é",
        LONG,
        LONG[:PIECE_ITEMS],
        LONG[: PIECE_ITEMS + 1],
        {"z": LONG, "a": {"nested": LONG, "ä": None}, "m": []},
        {"rows": [{"b": number, "a": "ü"} for number in range(PIECE_ITEMS + 5)]},
        [LONG, LONG],
    ],
)
def test_pieces_make_no_difference(value: Any) -> None:
    assert digest(value) == in_one(value)


@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(1e-4, 1e16),
            st.floats(9e-7, 1.1e-4),
            st.integers(2**52, 2**53).map(lambda digits: digits / 4),
        )
    )
)
def test_an_array_is_written_as_its_list(numbers: list[float]) -> None:
    assert digest(np.array(numbers) + 0.0) == in_one([number + 0.0 for number in numbers])


@pytest.mark.parametrize("number", [1e-5, 9.9e-5, 1e-4, 1e15, 9999999999999998.0, 1e16, 5e-324])
def test_exponents_are_python_s(number: float) -> None:
    numbers = [number, 1.0, -number]
    assert digest(np.array(numbers)) == in_one(numbers)


def test_ties_between_shortest_numbers_go_to_the_even_digit() -> None:
    numbers = [1125899906842624.25, 1125899906842624.75]
    assert repr(numbers) == "[1125899906842624.2, 1125899906842624.8]"
    assert digest(np.array(numbers)) == in_one(numbers)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused_in_an_array_too(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(np.array([1.0, number]))


def test_a_list_that_is_made_as_it_is_read_has_the_digest_of_the_list() -> None:
    rows = [{"b": number, "a": None} for number in range(PIECE_ITEMS + 5)]
    assert digest(LazyList(len(rows), rows.__getitem__)) == in_one(rows)


def test_nan_is_refused_in_the_last_piece_too() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"curve": [*LONG, float("nan")]})


def test_a_long_column_of_times_is_the_same_in_parts() -> None:
    times = 1_577_836_800_000 + 60_000 * np.arange(25_001)
    strings = time_strings(times)
    assert len(strings) == 25_001
    assert strings[0] == "2020-01-01T00:00:00Z"
    assert strings[10_000] == "2020-01-07T22:40:00Z"
    assert strings[-1] == "2020-01-18T08:40:00Z"
