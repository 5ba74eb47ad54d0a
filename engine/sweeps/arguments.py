"""What a sweep can be called with, checked before anything is read or run."""

from collections.abc import Iterator, Mapping
from numbers import Integral
from typing import Any

from engine.errors import ConfigError, ConfigProblem
from engine.inputs import check_given
from engine.limits import shown


def check_arguments(
    base: Any,
    overrides: Any,
    candles: Any,
    *,
    threads: Any,
    on_progress: Any,
    should_stop: Any,
    keep_best: Any = 0,
) -> None:
    """Whether a sweep can begin; no variant is looked at.

    Raises:
        ConfigError: names every argument that cannot be, in camelCase.
        DataError: ``candles`` are none.
    """
    problems = [
        *_base_problems(base),
        *_overrides_problems(overrides),
        *_whole_problems("keepBest", keep_best, 0),
        *([] if threads is None else _whole_problems("threads", threads, 1)),
        *_function_problems("onProgress", on_progress),
        *_function_problems("shouldStop", should_stop),
    ]
    if problems:
        raise ConfigError(problems)
    check_given(candles)


def _base_problems(base: Any) -> Iterator[ConfigProblem]:
    if not isinstance(base, Mapping):
        yield ConfigProblem("baseConfig", "an object", shown(base))


def _overrides_problems(overrides: Any) -> Iterator[ConfigProblem]:
    """A mapping would be taken for a list of its keys, a text for one of its letters."""
    if isinstance(overrides, Mapping | str | bytes) or not hasattr(overrides, "__len__"):
        expected = "a list of objects (expand_grid makes one of a grid)"
        yield ConfigProblem("overrides", expected, shown(overrides))


def _whole_problems(path: str, value: Any, least: int) -> Iterator[ConfigProblem]:
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or value < least:
        yield ConfigProblem(path, f"a whole number ≥ {least}", shown(value))


def _function_problems(path: str, value: Any) -> Iterator[ConfigProblem]:
    if value is not None and not callable(value):
        yield ConfigProblem(path, "a function", shown(value))
