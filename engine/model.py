"""The base of everything that is read from a client: camelCase outside, strict and frozen.

Strict means that a number is a number: ``true`` and ``"5"`` are refused, an integer is welcome
where a float is meant, and NaN and infinity are no numbers.
"""

from collections.abc import Mapping
from numbers import Integral
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from engine.limits import NOTHING, shown


class Model(BaseModel):
    """Reads camelCase keys only, refuses unknown ones, cannot be changed afterwards."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
    )


def field_error(path: str, expected: str, got: Any) -> PydanticCustomError:
    """To raise from a model's validator when one of its fields does not fit the others.

    ``path`` is dotted and camelCase, seen from the model.
    """
    return told_error(path, expected, shown(got))


def told_error(path: str, expected: str, got: str) -> PydanticCustomError:
    """As :func:`field_error`, where words tell more than the value; ``path`` "" is the model."""
    context = {"path": path, "expected": expected, "got": got}
    return PydanticCustomError("field_error", "{expected}", context)


def choice_error(raw: Mapping[str, Any], key: str, expected: str) -> PydanticCustomError:
    """To raise when the ``key`` that chooses between kinds of objects is missing or none of them.

    Else a union could only blame the object as a whole.
    """
    return told_error(key, expected, shown(raw[key]) if key in raw else NOTHING)


def _integral(value: Any) -> Any:
    """JSON has one kind of number, so ``20.0`` is a fine whole number; NumPy's are as good."""
    if isinstance(value, bool):
        return value
    is_whole = value.is_integer() if isinstance(value, float) else isinstance(value, Integral)
    return int(value) if is_whole else value


#: A number; integers are taken as floats.
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
#: A whole number, also when a client's JSON library wrote it as ``20.0``.
Whole = Annotated[int, BeforeValidator(_integral)]
#: On a sequence field: takes a JSON list where the model keeps a tuple.
FROM_LIST = Strict(False)
