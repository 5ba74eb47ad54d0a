"""Variants as they are read: what many have in common is checked once.

Checking a whole config takes longer than running a variant over a hundred thousand bars. Most
variants of a grid differ in a few numbers: of these only ``parameters`` is read again. Whatever is
not that simple, and whatever is wrong, is read whole, so that a variant is always the config that
:func:`engine.parse_config` makes of it, or has its error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.errors import ConfigError
from engine.limits import structural_problems
from engine.parsing import parse_config, reads_alone
from engine.sweeps.frames import Frame
from engine.sweeps.overrides import overridden
from engine.sweeps.rows import SweepRow, Variant, VariantError

#: Frames that are kept for the variants to come.
MOST_FRAMES = 32
#: An override is simple if it sets a value this small at a path this short; none of these many can
#: make a config too large that has room for as many keys and bytes.
_MOST_PATHS, _LONGEST_PATH, _MOST_LEVELS, _LONGEST_TEXT = 16, 100, 8, 100
_SPARE_KEYS = _MOST_PATHS * _MOST_LEVELS
_SPARE_BYTES = _MOST_PATHS * (_LONGEST_PATH + _LONGEST_TEXT + 16 * _MOST_LEVELS)
_PARAMETERS = "parameters."
_LARGEST = 2**63


class Reader:
    """Reads the variants of one base, one after the other."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        self._base = base
        self._own = {"parameters": base["parameters"]} if "parameters" in base else {}
        self._has_room = not structural_problems(base, _SPARE_KEYS, _SPARE_BYTES)
        self._frames: dict[tuple[Any, ...], Frame] = {}
        self._paths = _sorted_out(())

    def read(self, index: int, overrides: Mapping[str, Any]) -> Variant | SweepRow:
        """The variant, or the row that says why there is none."""
        try:
            return self._variant(index, overrides)
        except ConfigError as error:
            return SweepRow(index, error=VariantError("INVALID_CONFIG", str(error)))

    def _variant(self, index: int, overrides: Mapping[str, Any]) -> Variant:
        if not self._has_room or not isinstance(overrides, Mapping):
            return self._whole(index, overrides)
        paths = tuple(overrides)
        if paths != self._paths.all:
            self._paths = _sorted_out(paths)
        if not self._paths.are_simple or not all(map(_is_simple, overrides.values())):
            return self._whole(index, overrides)
        # 1, 1.0 and True are equal, and so are 0.0 and −0.0, but none is written like another.
        outer = self._paths.outer
        key = (outer, *[repr(overrides[path]) for path in outer])
        frame = self._frames.get(key)
        if frame is None:
            variant = self._whole(index, overrides)
            self._keep(key, variant.frame)
            return variant
        model = reads_alone(frame.config.strategy_id)
        try:
            parameters = model.model_validate(self._raw_parameters(overrides)) if model else None
        except (ConfigError, ValidationError):
            parameters = None
        if parameters is None:
            return self._whole(index, overrides)
        return Variant(index, overrides, frame, parameters)

    def _raw_parameters(self, overrides: Mapping[str, Any]) -> Any:
        own = self._own.get("parameters", {})
        keys = self._paths.keys
        if keys is None or not isinstance(own, Mapping):
            inner = {path: overrides[path] for path in self._paths.inner}
            return overridden(self._own, inner).get("parameters", {})
        return {**own, **{key: overrides[path] for key, path in keys}}

    def _whole(self, index: int, overrides: Mapping[str, Any]) -> Variant:
        config = parse_config(overridden(self._base, overrides))
        return Variant(index, overrides, Frame(config), config.parameters)

    def _keep(self, key: tuple[Any, ...], frame: Frame) -> None:
        # A path of prices may be a megabyte, and each frame has its own.
        if len(self._frames) >= MOST_FRAMES or frame.config.price_path is not None:
            self._frames.clear()
        self._frames[key] = frame


@dataclass(frozen=True, slots=True)
class _Paths:
    """The paths of a variant's overrides: those below ``parameters`` are its ``inner`` ones.

    ``keys``: the inner ones again, each after the key that it sets, if all lead no deeper.
    """

    all: tuple[Any, ...]
    are_simple: bool
    outer: Sequence[str] = ()
    inner: Sequence[str] = ()
    keys: Sequence[tuple[str, str]] | None = None


def _sorted_out(paths: tuple[Any, ...]) -> _Paths:
    if len(paths) > _MOST_PATHS or not all(map(_is_short, paths)):
        return _Paths(paths, are_simple=False)
    inner = tuple(path for path in paths if path.startswith(_PARAMETERS))
    outer = tuple(path for path in paths if path not in inner)
    named = [(path.removeprefix(_PARAMETERS), path) for path in inner]
    are_direct = all("." not in name for name, _ in named)
    return _Paths(paths, "parameters" not in outer, outer, inner, named if are_direct else None)


def _is_short(path: Any) -> bool:
    return (
        isinstance(path, str)
        and len(path) <= _LONGEST_PATH
        and path.isascii()
        and path.isprintable()
        and all(path.split("."))
        and path.count(".") < _MOST_LEVELS
    )


def _is_simple(value: Any) -> bool:
    """Whether it is a number, a short plain text, or nothing."""
    kind = type(value)
    if kind is int:
        return bool(-_LARGEST <= value < _LARGEST)
    if kind is str:
        return len(value) <= _LONGEST_TEXT and value.isascii() and value.isprintable()
    return value is None or kind is float or kind is bool
