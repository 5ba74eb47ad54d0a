"""Variants as they are read: what many have in common is checked once.

Checking a whole config takes longer than running a variant over a hundred thousand bars. Most
variants of a grid differ in a few numbers: of these only ``parameters`` and ``execution`` are read
again. Whatever is not that simple, and whatever is wrong, is read whole, so that a variant is
always the config that :func:`engine.parse_config` makes of it, or has its error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.errors import ConfigError
from engine.execution import Execution
from engine.limits import structural_problems
from engine.model import Model
from engine.parsing import parse_config, reads_alone
from engine.sweeps.frames import Frame
from engine.sweeps.overrides import overridden
from engine.sweeps.rows import SweepRow, Variant, VariantError

#: Frames that are kept for the variants to come.
MOST_FRAMES = 128
#: An override is simple if it sets a value this small at a path this short; none of these many can
#: make a config too large that has room for as many keys and bytes.
_MOST_PATHS, _LONGEST_PATH, _MOST_LEVELS, _LONGEST_TEXT = 16, 100, 8, 100
_SPARE_KEYS = _MOST_PATHS * _MOST_LEVELS
_SPARE_BYTES = _MOST_PATHS * (_LONGEST_PATH + _LONGEST_TEXT + 16 * _MOST_LEVELS)
_LARGEST = 2**63


class Reader:
    """Reads the variants of one base, one after the other."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        self._base = base
        self._has_room = not structural_problems(base, _SPARE_KEYS, _SPARE_BYTES)
        self._frames: dict[tuple[Any, ...], Frame] = {}
        self._whole_frame: tuple[Any, Frame] | None = None
        self._paths = _sorted_out(())

    def read(self, index: int, overrides: Mapping[str, Any]) -> Variant | SweepRow:
        """The variant, or the row that says why there is none."""
        try:
            return self._in_part(index, overrides) or self._whole(index, overrides)
        except ConfigError as error:
            return SweepRow(index, error=VariantError("INVALID_CONFIG", str(error)))

    def _whole(self, index: int, overrides: Mapping[str, Any]) -> Variant:
        config = parse_config(overridden(self._base, overrides))
        return Variant(index, overrides, Frame(config), config.parameters)

    def _in_part(self, index: int, overrides: Mapping[str, Any]) -> Variant | None:
        """The variant if it is simple and sound."""
        if not self._has_room or not isinstance(overrides, Mapping):
            return None
        paths = tuple(overrides)
        if paths != self._paths.all:
            self._paths = _sorted_out(paths)
        if not self._paths.are_simple or not all(map(_is_simple, overrides.values())):
            return None
        outer = _spelled(self._paths.outer, overrides)
        key = (outer, _spelled(self._paths.execution.paths, overrides))
        frame = self._frames.get(key) or self._with_other_execution(outer, overrides)
        if frame is None:
            variant = self._whole(index, overrides)
            self._keep(key, variant.frame)
            self._whole_frame = outer, variant.frame
            return variant
        self._keep(key, frame)
        model = reads_alone(frame.config.strategy_id)
        parameters = self._part(model, self._paths.parameters, overrides) if model else None
        return None if parameters is None else Variant(index, overrides, frame, parameters)

    def _with_other_execution(self, outer: Any, overrides: Mapping[str, Any]) -> Frame | None:
        """What was last read whole with nothing else but ``execution`` read again.

        Of signal strategies only: for others not every execution is sound.
        """
        if self._whole_frame is None or self._whole_frame[0] != outer:
            return None
        frame = self._whole_frame[1]
        if not frame.trades_on_signals:
            return None
        execution = self._part(Execution, self._paths.execution, overrides)
        if execution is None:
            return None
        return Frame(frame.config.model_copy(update={"execution": execution}))

    def _part(
        self, model: type[Model], part: "_Part", overrides: Mapping[str, Any]
    ) -> Model | None:
        """A part of the config with its overrides, if it is sound."""
        own = self._base.get(part.name)
        if own is None:
            own = {}
        try:
            if part.keys is None or not isinstance(own, Mapping):
                inner = {path: overrides[path] for path in part.paths}
                raw = overridden({part.name: own}, inner)[part.name]
            else:
                raw = {**own, **{key: overrides[path] for key, path in part.keys}}
            return model.model_validate(raw)
        except (ConfigError, ValidationError):
            return None

    def _keep(self, key: tuple[Any, ...], frame: Frame) -> None:
        # A portfolio is read whole all the same, and its sleeves may have paths of prices, too.
        if key in self._frames or reads_alone(frame.config.strategy_id) is None:
            return
        # A path of prices may be a megabyte, and each frame that is read whole has its own.
        if len(self._frames) >= MOST_FRAMES or frame.config.price_path is not None:
            self._frames.clear()
        self._frames[key] = frame


@dataclass(frozen=True, slots=True)
class _Part:
    """The paths of some overrides that lead into one part of a config.

    ``keys``: each again after the key that it sets there, if none leads deeper.
    """

    name: str
    paths: tuple[str, ...]
    keys: Sequence[tuple[str, str]] | None


@dataclass(frozen=True, slots=True)
class _Paths:
    """The paths of a variant's overrides: into ``parameters``, into ``execution``, and others."""

    all: tuple[Any, ...]
    are_simple: bool
    parameters: _Part
    execution: _Part
    outer: tuple[str, ...]


def _sorted_out(paths: tuple[Any, ...]) -> _Paths:
    are_short = len(paths) <= _MOST_PATHS and all(map(_is_short, paths))
    short = paths if are_short else ()
    parameters, execution = _part_of("parameters", short), _part_of("execution", short)
    inner = {*parameters.paths, *execution.paths}
    outer = tuple(path for path in short if path not in inner)
    are_simple = are_short and not {"parameters", "execution"} & {*outer}
    return _Paths(paths, are_simple, parameters, execution, outer)


def _part_of(name: str, paths: tuple[str, ...]) -> _Part:
    inner = tuple(path for path in paths if path.startswith(f"{name}."))
    keys = [(path.removeprefix(f"{name}."), path) for path in inner]
    are_direct = all("." not in key for key, _ in keys)
    return _Part(name, inner, keys if are_direct else None)


def _spelled(paths: tuple[str, ...], overrides: Mapping[str, Any]) -> tuple[str, ...]:
    """What these overrides set; 1, 1.0 and True are equal, but none is written like another."""
    return (*paths, *[repr(overrides[path]) for path in paths])


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
