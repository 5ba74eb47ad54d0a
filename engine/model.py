"""The base of everything that is read from a client: camelCase outside, strict and frozen.

Strict means that a number is a number: ``true`` and ``"5"`` are refused, an integer is welcome
where a float is meant, and NaN and infinity are no numbers.
"""

from collections.abc import Mapping, Set
from functools import cache
from numbers import Integral
from types import NoneType
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from engine.limits import NOTHING, shown

#: What a JSON schema says about a field beside which values it takes.
_ANNOTATIONS = ("default", "description", "title")


class NullIsAbsent(BaseModel):
    """A model whose optional keys may be null: null means the same as no key, the default.

    Clients that serialize whole objects write null for every field that is not set.
    """

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        # By type: an array is compared with None element by element. Each variant comes here.
        if not isinstance(raw, dict) or NoneType not in map(type, raw.values()):
            return raw
        optional = _replaced_by_default(cls)
        return {key: raw[key] for key in raw if raw[key] is not None or key not in optional}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema).get("properties", {})
        for key in _replaced_by_default(cls) & fields.keys():
            fields[key] = _nullable(fields[key])
        return schema


@cache
def _replaced_by_default(model: type[BaseModel]) -> Set[str]:
    """The keys of optional fields whose default is another value than null."""
    return frozenset(
        field.alias or name
        for name, field in model.model_fields.items()
        if not field.is_required() and field.default is not None
    )


def _nullable(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The JSON schema of a field that may also be null."""
    values = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    about = {key: value for key, value in schema.items() if key in _ANNOTATIONS}
    return {"anyOf": [values, {"type": "null"}], **about}


class Model(NullIsAbsent):
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
