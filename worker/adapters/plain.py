"""What a client may have written, reduced to plain JSON data, with a note on whatever is not.

Configs come from strangers: NaN, timestamps, binary data, maps nested beyond reason. A store must
hand them on without raising, and admission must be able to say what was wrong and where.
"""

import math
from collections.abc import Mapping
from typing import Any

#: More defects than this say nothing new to the one who has to mend the document.
MAX_DEFECTS = 20

_MAX_DEPTH = 32


def plain_json(value: Any, path: str, defects: list[str]) -> Any:
    """``value`` with everything that JSON cannot say replaced by ``None`` and noted.

    ``path`` names the value in notes, as ``configUsed.pricePath[3]``; notes are appended to
    ``defects`` until there are ``MAX_DEFECTS``.
    """
    return _plain(value, path, defects, 0)


def note(defects: list[str], path: str, expected: str, got: Any) -> None:
    """Append one sentence about a field, short whatever the client wrote."""
    if len(defects) < MAX_DEFECTS:
        defects.append(f"{_shorten(path, 200)}: expected {expected}, got {describe(got)}")


def describe(value: Any) -> str:
    """A value in an error message: its text if it is short and plain, else its kind."""
    if value is None:
        return "null"
    if isinstance(value, (bool, float)):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a number beyond 64 bits"
    if isinstance(value, str):
        return repr(_shorten(value, 60))
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"a value of type {type(value).__name__}"


def _plain(value: Any, path: str, defects: list[str], depth: int) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        note(defects, path, "a finite number", value)
        return None
    if depth >= _MAX_DEPTH:
        note(defects, path, f"at most {_MAX_DEPTH} levels of nesting", value)
        return None
    if isinstance(value, Mapping):
        return {
            str(key): _plain(item, f"{path}.{key}", defects, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            _plain(item, f"{path}[{place}]", defects, depth + 1) for place, item in enumerate(value)
        ]
    note(defects, path, "plain JSON data", value)
    return None


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
