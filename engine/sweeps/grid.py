"""Every combination of some values for some paths of a config, one at a time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.errors import ConfigError, ConfigProblem
from engine.limits import shown

#: More variants than this are refused.
MAX_VARIANTS = 100_000
_STEP_KEYS = {"start", "stop", "step"}
#: A step this close to ``stop`` (in steps) reaches it.
_TOLERANCE = Decimal("1e-9")


class Grid(Sequence[Mapping[str, Any]]):
    """The overrides of a grid's variants: the last key changes fastest.

    Holds the axes only; a variant is made when it is asked for.
    """

    def __init__(self, axes: Mapping[str, Sequence[Any]]) -> None:
        self.axes = {path: tuple(values) for path, values in axes.items()}
        self._length = math.prod(len(values) for values in self.axes.values())

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._length))]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(f"variant {index} of {self._length}")
        chosen: dict[str, Any] = {}
        for path in reversed(self.axes):
            place, choice = divmod(place, len(self.axes[path]))
            chosen[path] = self.axes[path][choice]
        return {path: chosen[path] for path in self.axes}

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return (self[place] for place in range(self._length))


def expand_grid(grid: Mapping[str, Any]) -> Grid:
    """The variants of ``parameterGrid``: dotted paths with lists of values, or with
    ``{"start", "stop", "step"}``, ``stop`` included.

    Steps are counted in decimals, so 0.1 + 2 × 0.1 is 0.3. Without any path there is one variant,
    the base itself.

    Raises:
        ConfigError: an axis that is neither, or has no value; more than ``MAX_VARIANTS``.
    """
    if not isinstance(grid, Mapping):
        raise ConfigError([ConfigProblem("parameterGrid", "an object", shown(grid))])
    problems: list[ConfigProblem] = []
    axes: dict[str, Sequence[Any]] = {}
    for path, axis in grid.items():
        if not isinstance(path, str) or not all(path.split(".")):
            problems.append(ConfigProblem("parameterGrid", "dotted paths as keys", shown(path)))
        elif isinstance(axis, list | tuple) and axis:
            axes[path] = axis
        elif isinstance(axis, Mapping) and set(axis) == _STEP_KEYS:
            values, expected = _steps(axis)
            if expected:
                problems.append(ConfigProblem(f"parameterGrid.{path}", expected, _spelled(axis)))
            axes[path] = values
        else:
            expected = "a list of values or an object of start, stop and step"
            problems.append(ConfigProblem(f"parameterGrid.{path}", expected, shown(axis)))
    if not problems:
        count = math.prod(len(values) for values in axes.values())
        if count > MAX_VARIANTS:
            expected = f"at most {MAX_VARIANTS} variants"
            problems.append(ConfigProblem("parameterGrid", expected, str(count)))
    if problems:
        raise ConfigError(problems)
    return Grid(axes)


def _steps(axis: Mapping[str, Any]) -> tuple[Sequence[Any], str]:
    """The values of a range, and what it should have been if it is none."""
    numbers = [axis["start"], axis["stop"], axis["step"]]
    if not all(_is_number(number) for number in numbers):
        return (), "finite numbers as start, stop and step"
    start, stop, step = (Decimal(str(number)) for number in numbers)
    if step == 0 or (stop - start) / step < 0:
        return (), "a step that leads from start to stop"
    count = int((stop - start) / step + _TOLERANCE) + 1
    if count > MAX_VARIANTS:
        return (), f"at most {MAX_VARIANTS} values"
    kind = int if all(isinstance(number, int) for number in numbers) else float
    return [kind(start + step * place) for place in range(count)], ""


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63


def _spelled(axis: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {shown(axis[key])}" for key in ("start", "stop", "step"))
