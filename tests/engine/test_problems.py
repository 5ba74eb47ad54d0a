"""Where in a client's data an error is, whatever pydantic calls the way there."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Discriminator, Tag, ValidationError, model_validator

from engine.errors import ConfigProblem
from engine.model import FROM_LIST, Model, Positive, Whole, field_error
from engine.problems import problems_from


class Near(Model):
    near: Positive


class Far(Model):
    far: Positive
    unit: Literal["km", "mi"] = "km"


def _kind(value: Any) -> str:
    return "near" if isinstance(value, Near) or "near" in value else "far"


class Place(Model):
    distance: Annotated[
        Annotated[Near, Tag("near")] | Annotated[Far, Tag("far")], Discriminator(_kind)
    ] = Near(near=1.0)
    count: Whole | Literal["max"] = 1
    marks: Annotated[tuple[Near, ...], FROM_LIST] = ()
    low_mark: float = 0.0
    high_mark: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> "Place":
        if self.low_mark > self.high_mark:
            raise field_error("lowMark", "at most highMark", self.low_mark)
        return self


def problems(raw: dict[str, Any], prefix: str = "") -> list[ConfigProblem]:
    with pytest.raises(ValidationError) as refused:
        Place.model_validate(raw)
    return problems_from(refused.value, raw, prefix)


@pytest.mark.parametrize(
    ("raw", "path", "expected", "got"),
    [
        ({"distance": {"near": -1}}, "distance.near", "a number > 0", "-1"),
        ({"distance": {"near": 1, "x": 2}}, "distance.x", "no such key", "the unknown key 'x'"),
        ({"distance": {"unit": "km"}}, "distance.far", "a value", "nothing"),
        ({"distance": {"far": 1, "unit": "m"}}, "distance.unit", "'km' or 'mi'", "'m'"),
        ({"count": 1.5}, "count", "a whole number or 'max'", "1.5"),
        ({"marks": [{"near": 1}, {"near": "x"}]}, "marks.1.near", "a number", "'x'"),
        ({"marks": {"0": 1}}, "marks", "a list", "an object of 1 key"),
        ({"lowMark": 2}, "lowMark", "at most highMark", "2.0"),
        ({"k" * 500: 1}, "k" * 80, "no such key", f"the unknown key '{'k' * 60}'…"),
    ],
)
def test_a_problem_is_told_where_it_is(
    raw: dict[str, Any], path: str, expected: str, got: str
) -> None:
    assert problems(raw) == [ConfigProblem(path, expected, got)]


def test_a_prefix_leads_to_the_model() -> None:
    assert problems({"lowMark": 2}, "parameters")[0].path == "parameters.lowMark"
    assert problems({"count": 0.5}, "parameters")[0].path == "parameters.count"


def test_what_is_no_object_is_told_at_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        Place.model_validate(5)
    assert problems_from(refused.value, 5) == [ConfigProblem("config", "an object", "5")]
    assert problems_from(refused.value, 5, "parameters")[0].path == "parameters"


def test_every_problem_is_told_once() -> None:
    raw = {"distance": {"near": 0}, "count": "min", "highMark": "x", "other": 1}
    assert [problem.path for problem in problems(raw)] == [
        "distance.near",
        "count",
        "highMark",
        "other",
    ]
