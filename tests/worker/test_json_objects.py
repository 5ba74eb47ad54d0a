"""Keys that stand twice in one object."""

import json

import pytest

from worker.entrypoints.json_objects import RepeatedKey, without_repeats


def read(text: str) -> object:
    return json.loads(text, object_pairs_hook=without_repeats)


@pytest.mark.parametrize(
    "text", ["{}", '{"a": 1, "A": 2}', '[{"a": 1}, {"a": 2}]', '{"a": {"a": {"b": []}}, "b": null}']
)
def test_any_other_object_is_as_it_was(text: str) -> None:
    assert read(text) == json.loads(text)
    assert json.dumps(read(text)) == json.dumps(json.loads(text))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "a": 1}', "'a'"),
        ('{"b": 1, "a": 1, "c": 2, "a": null}', "'a'"),
        ('[1, {"x": [{"": 1, "": 2}]}]', "''"),
        ('{"a": 1, "\\u0061": 2}', "'a'"),
        ('{"' + "k" * 5_000 + '": 1, "' + "k" * 5_000 + '": 2}', "…"),
    ],
)
def test_the_first_repeated_key_is_named(text: str, key: str) -> None:
    with pytest.raises(RepeatedKey) as caught:
        read(text)
    assert key in str(caught.value)
    assert len(str(caught.value)) < 150


def test_many_keys_take_no_longer_each_than_a_few() -> None:
    """A body of megabytes that ends in a repeated key is refused in the time it takes to read."""
    keys = ",".join(f'"{number}": 0' for number in range(300_000))
    with pytest.raises(RepeatedKey, match="'299999' twice"):
        read("{" + keys + ', "299999": 1}')
