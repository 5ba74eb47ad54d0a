"""What a client may set for the ``rules`` strategy: indicators by name, conditions over them.

Rules are data. An operand that names nothing is refused here, with its path.
"""

import math
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from engine.indicator_parameters import COLUMNS, OUTPUTS, Indicator
from engine.limits import shown_keys
from engine.model import FROM_LIST, Model, Whole, told_error

MAX_DEPTH = 8
#: How many of the possible operands an error spells out.
_SPELLED_OUT = 30

_LONGEST_NAME = 64
#: The operands that the rules under validation can name; None outside of a validation.
_nameable: ContextVar[frozenset[str] | None] = ContextVar("nameable", default=None)
#: Indicators with an error of their own: any output of them is let pass.
_broken: ContextVar[frozenset[str]] = ContextVar("broken", default=frozenset())


def _indicator_name(name: str) -> str:
    """A dot would separate an output from its indicator, and a path in a grid of variants."""
    fits = 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()
    if not fits or "." in name or name in COLUMNS:
        raise ValueError(
            f"a name of 1 to {_LONGEST_NAME} characters without a dot, not a candle column"
        )
    return name


def _operand(value: Any) -> str | float:
    """A number as a float; a name only if the rules define it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _finite(value)
        if number is not None:
            return number
    nameable = _nameable.get()
    if isinstance(value, str):
        if nameable is None or value in nameable or value.split(".")[0] in _broken.get():
            return value
        names = [*COLUMNS, *sorted(nameable - set(COLUMNS))]
        more = "" if len(names) <= _SPELLED_OUT else f" and {len(names) - _SPELLED_OUT} more"
        raise ValueError(f"a number or one of {', '.join(names[:_SPELLED_OUT])}{more}")
    raise ValueError("a finite number, a candle column or an indicator's name")


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _two(raw: Any) -> Any:
    if isinstance(raw, list | tuple) and len(raw) != 2:
        raise ValueError("a list of two")
    return raw


Operand = Annotated[str | float, PlainValidator(_operand)]
Operands = Annotated[tuple[Operand, Operand], FROM_LIST, BeforeValidator(_two)]
Bars = Annotated[Whole, Field(ge=1, le=2**31 - 1)]
Run = Annotated[tuple[Operand, Bars], FROM_LIST, BeforeValidator(_two)]


def _not_empty(parts: tuple["Condition", ...]) -> tuple["Condition", ...]:
    if not parts:
        raise ValueError("at least one condition")
    return parts


_ONE_KEY = (
    "an object with exactly one of crossesAbove, crossesBelow, above, below, rising, falling, "
    "all, any, not"
)


class Condition(Model):
    """One key says what is compared or combined."""

    crosses_above: Operands | None = None
    crosses_below: Operands | None = None
    above: Operands | None = None
    below: Operands | None = None
    rising: Run | None = None
    falling: Run | None = None
    all_of: Annotated["Parts | None", Field(alias="all")] = None
    any_of: Annotated["Parts | None", Field(alias="any")] = None
    negated: Annotated["Condition | None", Field(alias="not")] = None

    @model_validator(mode="before")
    @classmethod
    def _has_one_key(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping):
            given = {key: value for key, value in raw.items() if value is not None}
            if len(given) != 1:
                is_null = " with null" if len(raw) == 1 and not given else ""
                raise told_error("", _ONE_KEY, f"{shown_keys(given or raw)}{is_null}")
        return raw

    @model_serializer(mode="wrap")
    def _one_key(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {key: value for key, value in fields.items() if value is not None}

    def operands(self) -> Iterator[str | float]:
        """Everything this condition and its parts look at, in reading order."""
        for pair in (self.crosses_above, self.crosses_below, self.above, self.below):
            if pair is not None:
                yield from pair
        for run in (self.rising, self.falling):
            if run is not None:
                yield run[0]
        for part in (*(self.all_of or ()), *(self.any_of or ())):
            yield from part.operands()
        if self.negated is not None:
            yield from self.negated.operands()


Parts = Annotated[tuple[Condition, ...], FROM_LIST, AfterValidator(_not_empty)]
Condition.model_rebuild()


def _not_too_deep(raw: Any) -> Any:
    """Measured without recursion, before anything recursive looks at it."""
    pending = [(raw, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"conditions nested at most {MAX_DEPTH} deep")
        if isinstance(value, Mapping):
            for key in ("all", "any"):
                parts = value.get(key)
                if isinstance(parts, list | tuple):
                    pending.extend((part, depth + 1) for part in parts)
            if value.get("not") is not None:
                pending.append((value["not"], depth + 1))
    return raw


RootCondition = Annotated[Condition, BeforeValidator(_not_too_deep)]


class RulesParameters(Model):
    """Named indicators, and when to be in and out. The short side is optional."""

    indicators: Mapping[Annotated[str, AfterValidator(_indicator_name)], Indicator] = Field(
        default_factory=dict
    )
    entry: RootCondition
    exit: RootCondition
    short_entry: RootCondition | None = None
    short_exit: RootCondition | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _know_the_names(
        cls, raw: Any, validate: ModelWrapValidatorHandler["RulesParameters"]
    ) -> "RulesParameters":
        nameable, broken = _names_in(raw)
        outer_names, outer_broken = _nameable.set(nameable), _broken.set(broken)
        try:
            return validate(raw)
        finally:
            _nameable.reset(outer_names)
            _broken.reset(outer_broken)


def _names_in(raw: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The operands that ``raw`` defines, and its indicators of no known type."""
    indicators = raw.get("indicators") if isinstance(raw, Mapping) else None
    names = set(COLUMNS)
    broken = set()
    if isinstance(indicators, Mapping):
        for name, indicator in indicators.items():
            kind = indicator.get("type") if isinstance(indicator, Mapping) else None
            if isinstance(kind, str) and kind in OUTPUTS:
                names.update(f"{name}{output}" for output in OUTPUTS[kind])
            else:
                broken.add(str(name))
    return frozenset(names), frozenset(broken)
