"""A digest written in pieces is the digest of the whole, and lets other threads run."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from engine.dates import time_strings
from engine.digest import PIECE_ITEMS, digest

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
