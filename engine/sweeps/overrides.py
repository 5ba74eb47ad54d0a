"""A variant's config: the base with some dotted paths set to other values."""

from collections.abc import Mapping
from typing import Any

from engine.errors import ConfigError, ConfigProblem
from engine.limits import shown


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
        config = _with(config, path.split("."), 0, value)
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
    if isinstance(container, list | tuple) and part.isdecimal() and int(part) < len(container):
        place = int(part)
        inner = _with(container[place], parts, depth + 1, value)
        return [*container[:place], inner, *container[place + 1 :]]
    path = ".".join(parts[:depth])
    raise ConfigError([ConfigProblem(path, f"something to set {part} in", shown(container))])
