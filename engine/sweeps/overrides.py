"""A variant's config: the base with some dotted paths set to other values."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from engine.errors import ConfigError, ConfigProblem
from engine.limits import MAX_LEVELS, shown

Overrides = Mapping[str, Any]


class Indexed(Protocol):
    """Variants that are made when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Overrides: ...


Variants = Collection[Overrides] | Indexed


def overridden(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with every path of ``overrides`` set, in their order; ``base`` stays as it is.

    A path goes through objects by key (making those that are missing) and through lists by
    position: ``parameters.sleeves.0.weight``.

    Raises:
        ConfigError: a path that leads through something else, or a variant that is no mapping.
    """
    if not isinstance(overrides, Mapping):
        raise ConfigError([ConfigProblem("overrides", "an object", shown(overrides))])
    config: Any = dict(base)
    for path, value in overrides.items():
        if not isinstance(path, str) or not all(path.split(".")):
            raise ConfigError([ConfigProblem("overrides", "dotted paths as keys", shown(path))])
        parts = path.split(".")
        if len(parts) > MAX_LEVELS:
            expected = f"paths of at most {MAX_LEVELS} levels"
            raise ConfigError([ConfigProblem("overrides", expected, shown(path))])
        config = _with(config, parts, 0, value)
    return dict(config)


def _with(container: Any, parts: list[str], depth: int, value: Any) -> Any:
    """``container`` or a copy of it in which the rest of the path leads to ``value``."""
    if depth == len(parts):
        return value
    part = parts[depth]
    if container is None:
        container = {}
    if isinstance(container, Mapping):
        inner = container.get(part)
        return {**container, part: _with(inner, parts, depth + 1, value)}
    place = _place(part, len(container)) if isinstance(container, list | tuple) else None
    if place is not None:
        inner = _with(container[place], parts, depth + 1, value)
        return [*container[:place], inner, *container[place + 1 :]]
    path = ".".join(parts[:depth])
    raise ConfigError([ConfigProblem(path, f"something to set {part} in", shown(container))])


def _place(part: str, length: int) -> int | None:
    """A position in a list that long; of its digits no more are read than the last one has."""
    if not part.isdecimal() or len(part) > len(str(length)) or int(part) >= length:
        return None
    return int(part)
