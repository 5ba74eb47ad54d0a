"""Turns what pydantic found into one sentence a field: path, expected, got."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.errors import ConfigProblem
from engine.limits import NOTHING, shown

_LONGEST_PART = 80
#: Ways to read one error's location that are followed at a time.
_MOST_READINGS = 64

#: Expected where no config has any value, whatever it is.
NO_SUCH_KEY = "no such key"

_EXPECTED = {
    "missing": "a value",
    "extra_forbidden": NO_SUCH_KEY,
    "bool_type": "true or false",
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "finite_number": "a finite number",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "tuple_type": "a list",
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number ≥ {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number ≤ {le}",
    "literal_error": "{expected}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string_pattern_mismatch": "text matching {pattern}",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "none_required": "null",
}


def problems_from(error: ValidationError, raw: Any, prefix: str = "") -> list[ConfigProblem]:
    """Every problem in ``error``, in order, one a path; alternatives at one path are joined.

    ``raw`` is what was validated: it tells a path's own parts from the names of union branches.
    """
    found: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for details in error.errors(include_url=False):
        path = _path(details, raw, prefix)
        wanted = expected(details)
        if wanted not in found.setdefault(path, []):
            found[path].append(wanted)
        seen.setdefault(path, got(details))
    return [ConfigProblem(path, " or ".join(wanted), seen[path]) for path, wanted in found.items()]


def _path(details: ErrorDetails, raw: Any, prefix: str) -> str:
    location = details["loc"]
    kept = _matching(location, raw, is_missing=details["type"] == "missing")
    parts = [prefix] if prefix else []
    parts.extend(str(location[position])[:_LONGEST_PART] for position in kept)
    if details["type"] == "field_error" and details["ctx"]["path"]:
        parts.append(details["ctx"]["path"])
    return ".".join(parts) or "config"


def _matching(location: tuple[str | int, ...], raw: Any, *, is_missing: bool) -> tuple[int, ...]:
    """The positions in ``location`` that lead through ``raw``; the others name union branches.

    A branch may be called like a key (``put.delta.delta``), so of all ways to read a location the
    one that explains its last part wins, then the longest.
    """
    readings: list[tuple[tuple[int, ...], Any]] = [((), raw)]
    for position, part in enumerate(location[:-1]):
        readings += [
            ((*kept, position), container[part])
            for kept, container in readings
            if _holds(container, part)
        ]
        readings = readings[-_MOST_READINGS:]
    last = len(location) - 1
    explained = [
        (*kept, last)
        for kept, container in readings
        if location
        and _holds(container, location[-1]) != is_missing
        and (isinstance(container, Mapping) or not is_missing)
    ]
    return max(explained or [kept for kept, _ in readings], key=len)


def _holds(container: Any, part: str | int) -> bool:
    if isinstance(container, Mapping):
        return part in container
    is_position = isinstance(container, list | tuple) and isinstance(part, int)
    return is_position and int(part) < len(container)


def expected(details: Mapping[str, Any]) -> str:
    """What would have been right, for one error as pydantic lists it."""
    kind = details["type"]
    context = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in details.get("ctx", {}).items()
    }
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**context)
    return str(details["msg"]).removeprefix("Value error, ")


def got(details: Mapping[str, Any]) -> str:
    """What was there instead, cut to a length that can be read."""
    if details["type"] == "missing":
        return NOTHING
    if details["type"] == "extra_forbidden":
        return f"the unknown key {shown(str(details['loc'][-1]))}"
    if details["type"] == "field_error":
        return str(details["ctx"]["got"])
    return shown(details["input"])
