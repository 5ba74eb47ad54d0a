"""What no store could keep is refused before anything recursive or slow looks at it."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from engine import ConfigError, parse_config
from engine.limits import MAX_BYTES, MAX_KEYS, MAX_LEVELS, shown, structural_problems
from tests.support.markets import config


def refused(raw: Any) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(raw)
    assert len(str(error.value)) < 1000
    return str(error.value)


def nested(levels: int) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    inner = raw
    for _ in range(levels):
        inner["a"] = {}
        inner = inner["a"]
    return raw


def test_a_sound_config_has_no_structural_problems() -> None:
    assert structural_problems(config()) == []


def test_keys_are_counted_on_every_level() -> None:
    keys = {str(number): {"inner": 1} for number in range(MAX_KEYS // 2)}
    assert structural_problems(keys) == []
    assert structural_problems({**keys, "one more": 1})[0].expected == "at most 1000 keys"


class Unread(dict[str, Any]):
    """Says how long it is, and nothing of what is in it."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("it was gone through")

    def items(self) -> Any:
        return iter(self)

    values = keys = items


def test_too_many_keys_are_refused_before_they_are_gone_through() -> None:
    assert "at most 1000 keys" in refused(config(parameters=Unread.fromkeys(range(1_001))))


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 100_000])
def test_nesting_without_end_is_refused_without_recursion(levels: int) -> None:
    assert f"at most {MAX_LEVELS} levels" in refused(nested(levels))


def test_nested_lists_of_objects_count_as_levels() -> None:
    raw: dict[str, Any] = {}
    for _ in range(MAX_LEVELS):
        raw = {"all": [raw]}
    assert "levels" in refused(raw)


def test_the_deepest_allowed_nesting_passes() -> None:
    assert structural_problems(nested(MAX_LEVELS)) == []


@pytest.mark.parametrize("raw", [{"a": [[1]]}, {"a": [1, {"b": [[]]}]}, {"a": [(1, 2)]}])
def test_a_list_directly_inside_a_list_is_refused(raw: dict[str, Any]) -> None:
    assert "without lists directly inside" in refused(raw)


def test_a_list_inside_an_object_inside_a_list_is_fine() -> None:
    assert structural_problems({"a": [{"b": [1]}]}) == []


@pytest.mark.parametrize(
    "value",
    ["x" * (MAX_BYTES + 1), "é" * (MAX_BYTES // 2 + 1), [1.5] * MAX_BYTES, [0] * (MAX_BYTES // 2)],
    ids=["text", "bytes not characters", "floats", "integers"],
)
def test_more_than_900_kib_is_refused(value: Any) -> None:
    assert "at most 900 KiB" in refused(config(label=value))


def test_a_long_price_path_within_the_limit_passes() -> None:
    parse_config(config(pricePath=[100.25] * 100_000))


def test_a_long_price_path_is_read_in_one_go() -> None:
    """It is for each of a sweep's variants: one by one, its numbers took a sixth of a second."""
    raw = config(pricePath=[100.25] * 100_000)

    def calls() -> int:
        seen = 0

        def count(*_: object) -> None:
            nonlocal seen
            seen += 1

        sys.setprofile(count)
        try:
            structural_problems(raw)
        finally:
            sys.setprofile(None)
        return seen

    # Of each number its length in text is taken, which are four calls and their returns.
    assert calls() < 10 * len(raw["pricePath"])


@pytest.mark.parametrize("number", [1.5, 7, -(10**12), 1e-300])
def test_numbers_take_the_same_room_in_lists_of_whatever_kind(number: float) -> None:
    """Among others they are looked at one by one."""
    room = MAX_BYTES - 200_000
    for count in (room // 3, room // 5, room // 13):
        alone = bool(structural_problems({"a": [number] * count, "b": "x" * 180_000}))
        among = bool(
            structural_problems({"a": [number] * (count - 1) + [None], "b": "x" * 180_000})
        )
        assert alone == among


def test_a_list_too_long_to_look_at_is_refused_whatever_is_in_it() -> None:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    assert "at most 900 KiB" in refused({"a": [inner] * (MAX_BYTES + 1)})


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_store_can_hold_is_refused(text: str) -> None:
    assert "label: expected text of UTF-8 without NUL" in refused(config(label=text))
    assert "text keys" in refused({**config(), text: 1})


def test_a_key_that_is_no_text_is_refused() -> None:
    assert refused({**config(), 5: 1}) == "config: expected text keys, got 5"


def test_a_value_of_no_json_type_is_refused_by_its_field() -> None:
    assert "label: expected text, got a value of type bytes" in refused(config(label=b"x"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (10**400, "an integer of 1329 bits"),
        ("short", "'short'"),
        ("x" * 100, "'" + "x" * 60 + "'…"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "an object of 1 key"),
        ({}, "an object of 0 keys"),
        (b"", "a value of type bytes"),
    ],
)
def test_values_are_shown_shortly(value: Any, text: str) -> None:
    assert shown(value) == text
