"""Bounds on the shape of a config, checked without recursion before anything else looks at it.

Every store keeps what passes here: no list directly inside a list, text that UTF-8 and a database
can hold, a bounded number of keys, bytes and levels.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import ConfigProblem

MAX_KEYS = 1_000
MAX_BYTES = 900 * 1024
#: Deep enough for conditions eight deep in the rules of a portfolio's sleeve.
MAX_LEVELS = 40
_SHOWN_CHARACTERS = 60
_SHOWN_KEYS = 5

#: What was there where a key is missing.
NOTHING = "nothing"


def shown(value: Any) -> str:
    """A short description of a value, whatever its type and size."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = value[:_SHOWN_CHARACTERS].encode("utf-8", "replace").decode()
        return f"{cut!r}…" if len(value) > _SHOWN_CHARACTERS else repr(cut)
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return f"an object of {len(value)} {'key' if len(value) == 1 else 'keys'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a value of type {type(value).__name__}"


def shown_keys(value: Mapping[Any, Any]) -> str:
    """The same of an object whose keys say more than their number does."""
    if not value:
        return "an object of 0 keys"
    named = ", ".join(shown(key) for key in itertools.islice(value, _SHOWN_KEYS))
    rest = len(value) - _SHOWN_KEYS
    more = f" and {rest} more" if rest > 0 else ""
    return f"the {'key' if len(value) == 1 else 'keys'} {named}{more}"


def structural_problems(
    raw: Mapping[str, Any], keys: int = 0, size: int = 0
) -> list[ConfigProblem]:
    """What no store could keep, or nobody should have to read. Empty for a sound config.

    ``keys`` and ``size``: for how many more keys and bytes there has to be room.
    """
    problems: list[ConfigProblem] = []
    pending: list[tuple[str, Any, int]] = [("", raw, 0)]
    while pending:
        path, value, level = pending.pop()
        if level > MAX_LEVELS:
            return [ConfigProblem(_cut(path), f"at most {MAX_LEVELS} levels", "deeper nesting")]
        if isinstance(value, Mapping):
            keys += len(value)
            if keys > MAX_KEYS:
                return [ConfigProblem("config", f"at most {MAX_KEYS} keys", "more")]
            for key in value:
                size += len(str(key)) + 4
                if not isinstance(key, str) or not _is_storable(key):
                    problems.append(ConfigProblem(_cut(path) or "config", "text keys", shown(key)))
        elif isinstance(value, list | tuple):
            size += len(value)
            if size > MAX_BYTES:
                return [_too_long()]
            kinds = set(map(type, value))
            if any(issubclass(kind, list | tuple) for kind in kinds):
                expected = "a list without lists directly inside it"
                problems.append(ConfigProblem(_cut(path), expected, "a list of lists"))
                continue
            if level < MAX_LEVELS and kinds <= {float, int}:
                # A path of prices is read for each variant of a sweep: not number by number.
                size += sum(map(_size, value)) + _size(value)
                if size > MAX_BYTES:
                    return [_too_long()]
                continue
        elif isinstance(value, str) and not _is_storable(value):
            problems.append(ConfigProblem(_cut(path), "text of UTF-8 without NUL", shown(value)))
        size += _size(value)
        if size > MAX_BYTES:
            return [_too_long()]
        pending.extend((child, item, level + 1) for child, item in _children(path, value))
    return problems


def _too_long() -> ConfigProblem:
    return ConfigProblem("config", f"at most {MAX_BYTES // 1024} KiB", "more")


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield (f"{path}.{str(key)[:_SHOWN_CHARACTERS]}" if path else str(key)), item
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield f"{path}.{position}", item


def _size(value: Any) -> int:
    """About the bytes of the value itself in compact JSON, a separator included."""
    if isinstance(value, float):
        return len(repr(value)) + 1
    if isinstance(value, str):
        return len(value) + 3 if value.isascii() else len(value.encode("utf-8", "replace")) + 3
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() // 3 + 2
    return 5


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(path: str) -> str:
    return path if len(path) <= 200 else f"{path[:200]}…"
