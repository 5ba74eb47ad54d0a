"""What is wrong with the fields of a request, in the words that a config's errors have too."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.problems import expected, got

_LONGEST_PATH = 200


class InvalidFields(Exception):
    """The request cannot be used: ``errors`` have ``path``, ``expected`` and ``got``.

    ``detail`` says in a sentence what is wrong with all of it, if anything is.
    """

    def __init__(self, errors: list[dict[str, Any]], detail: str | None = None) -> None:
        super().__init__(detail or f"{len(errors)} invalid field(s)")
        self.errors = errors
        self.detail = detail


def field_errors(errors: Iterable[Mapping[str, Any]], *, skip: int = 0) -> list[dict[str, Any]]:
    """``path``, ``expected`` and ``got`` of each error as pydantic lists it.

    ``skip`` leaves out the first parts of a path: FastAPI begins with where a field stood.
    """
    return [_field_error(error, skip) for error in errors]


def not_json(why: str, place: int | None = None) -> dict[str, Any]:
    """The same for a body that cannot be parsed; ``place`` counts characters from 1."""
    where = "" if place is None else f" at character {place}"
    return {"path": "", "expected": "JSON", "got": f"text that is none: {why}{where}"}


def misplaced_config(path: str) -> dict[str, Any]:
    """The same for a configuration that is not in the field of the request where it belongs."""
    got = "its fields in the request itself"
    return {"path": path, "expected": "the configuration", "got": got}


def _field_error(error: Mapping[str, Any], skip: int) -> dict[str, Any]:
    if error["type"] == "json_invalid":
        return not_json(error["ctx"]["error"], error["loc"][-1] + 1)
    path = ".".join(str(part) for part in error["loc"][skip:])[:_LONGEST_PATH]
    if error["type"] == "extra_forbidden":
        return {"path": path, "expected": "no such field", "got": "a value"}
    # An optional field takes null, so this one is not optional.
    required = " (required)" if error["type"] != "missing" and error["input"] is None else ""
    return {"path": path, "expected": f"{expected(error)}{required}", "got": got(error)}
