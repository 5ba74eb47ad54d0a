"""Mistakes that no variant of a bundle escapes. They refuse the bundle; any other mistake fails the
variants that have it, each alone.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import engine
from engine.errors import ConfigProblem
from engine.problems import NO_SUCH_KEY
from engine.sweeps.grid import Grid
from engine.sweeps.overrides import overridden
from worker.jobs.variants import VariantSource
from worker.services.bundles.variant_rows import to_json

#: What variants of more kinds than this all have wrong is not looked for.
MOST_KINDS = 100
#: So many variants, of whatever kind, are looked at beside one of each kind.
PROBES = 100

#: Keys whose values never decide which other keys a config may have.
_PLAIN_KEYS = {"symbol", "timeframe", "startDate", "endDate", "label", "pricePath"}

Overrides = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Mistake:
    """``is_of_path``: the path is wrong, whatever value stands there."""

    problem: ConfigProblem
    is_of_path: bool


def common_mistakes(base: Mapping[str, Any], variants: VariantSource) -> list[ConfigProblem]:
    """What is wrong with all variants: in the base, where none of them sets anything else, and
    paths of which no config has any.

    Where they set a wrong value nothing is common: there may be a better one behind it. Most often
    the first variant is sound, and no other is looked at.
    """
    first = variants.overrides(0)
    shared = _mistakes(base, first)
    if not shared:
        return []
    kinds = _kinds(variants)
    for overrides in chain(kinds or (), _some(variants)):
        own = _mistakes(base, overrides)
        shared = [mistake for mistake in shared if mistake in own]
        if not shared:
            return []
    source = "variants.0" if variants.axes is None else "parameterGrid"
    problems = []
    for mistake in shared:
        problem = mistake.problem
        setting = _setting(problem.path, first)
        if setting and kinds is None:
            continue
        longest = max((problem.path, *setting), key=len)
        path = f"{source}.{longest}" if setting else f"baseConfig.{problem.path}"
        problems.append(ConfigProblem(path, problem.expected, problem.got))
    return problems


def _mistakes(base: Mapping[str, Any], overrides: Overrides) -> list[_Mistake]:
    """Those of one variant that may be common to all."""
    try:
        config = overridden(base, overrides)
    except engine.ConfigError as error:
        return [_Mistake(problem, is_of_path=True) for problem in error.problems]
    try:
        engine.parse_config(config)
    except engine.ConfigError as error:
        found = [_Mistake(problem, problem.expected == NO_SUCH_KEY) for problem in error.problems]
        return [one for one in found if one.is_of_path or not _setting(one.problem.path, overrides)]
    return []


def _setting(path: str, overrides: Overrides) -> list[str]:
    """The overrides that set this path, something in it, or something around it."""
    return [
        other
        for other in overrides
        if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")
    ]


def _kinds(variants: VariantSource) -> Sequence[Overrides] | None:
    """One variant of each kind; ``None`` for too many kinds.

    Variants of one kind set the same paths, and where a value may decide which keys a config has
    (the strategy, the type of an indicator, an object as a whole) the same value.
    """
    if variants.axes is not None:
        kinds = Grid({path: _kinds_of(path, values) for path, values in variants.axes.items()})
        return kinds if len(kinds) <= MOST_KINDS else None
    found: dict[tuple[tuple[str, str], ...], Overrides] = {}
    for overrides in variants:
        kind = tuple((path, _kind(path, value)) for path, value in overrides.items())
        found.setdefault(kind, overrides)
        if len(found) > MOST_KINDS:
            return None
    return list(found.values())


def _kinds_of(path: str, values: Sequence[Any]) -> Sequence[Any]:
    first: dict[str, Any] = {}
    for value in values:
        first.setdefault(_kind(path, value), value)
    return list(first.values())


def _kind(path: str, value: Any) -> str:
    if path.rpartition(".")[2] in _PLAIN_KEYS:
        return "plain"
    return "number" if isinstance(value, int | float) else to_json({"": value})


def _some(variants: VariantSource) -> Iterator[Overrides]:
    """The same ones each time, at distances that have nothing to do with the steps of a grid."""
    count = len(variants)
    places = random.Random(count).sample(range(count), min(PROBES, count))
    return (variants.overrides(place) for place in places)
