"""The variants of a bundle, addressed by index and made when they are asked for."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from engine.errors import ConfigError, ConfigProblem
from engine.limits import shown
from engine.sweeps.grid import MAX_VARIANTS, Grid, expand_grid
from worker.jobs.bundle import Bundle

__all__ = ["MAX_VARIANTS", "VariantSource"]


class VariantSource(Sequence[Mapping[str, Any]]):
    """The overrides of each variant: dotted paths of the config, and what to set there.

    A grid is counted like the digits of a number, its last key fastest; nothing is stored per
    variant.
    """

    def __init__(self, variants: Sequence[Mapping[str, Any]]) -> None:
        self._variants = variants

    @classmethod
    def of(cls, bundle: Bundle, stored: Sequence[Any] | None = None) -> "VariantSource":
        """The variants that a bundle asks for; ``stored`` is the list of its artifact.

        Raises:
            ConfigError: it has neither a grid nor a list, or both; one that has no variants, more
                than ``MAX_VARIANTS``, or something else than overrides in it.
            ValueError: its list lies in an artifact and was not given.
        """
        if bundle.variants_artifact is not None and stored is None:
            raise ValueError(f"the variants of bundle {bundle.bundle_id} lie in an artifact")
        listed = bundle.variants if stored is None else stored
        if (bundle.parameter_grid is None) == (listed is None):
            expected = "either parameterGrid or variants"
            got = "neither" if listed is None else "both"
            raise ConfigError([ConfigProblem("parameterGrid", expected, got)])
        if bundle.parameter_grid is not None:
            return cls(expand_grid(bundle.parameter_grid))
        return cls(_checked(listed))

    def __len__(self) -> int:
        return len(self._variants)

    def overrides(self, index: int) -> Mapping[str, Any]:
        """What variant ``index`` sets, in order. Raises ``IndexError``."""
        return self._variants[index]

    @property
    def axes(self) -> Mapping[str, Sequence[Any]] | None:
        """Of a grid, the values of each path; ``None`` for a list."""
        return self._variants.axes if isinstance(self._variants, Grid) else None

    def paths(self) -> Set[str]:
        """Every path that a variant sets."""
        if self.axes is not None:
            return set(self.axes)
        return {path for overrides in self._variants for path in overrides}

    def __getitem__(self, index: Any) -> Any:
        """One variant's overrides, or those of a slice."""
        return self._variants[index]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._variants)


def _checked(listed: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(listed, list | tuple) or not listed:
        raise ConfigError([ConfigProblem("variants", "a list of overrides", shown(listed))])
    if len(listed) > MAX_VARIANTS:
        expected = f"at most {MAX_VARIANTS} variants"
        raise ConfigError([ConfigProblem("variants", expected, str(len(listed)))])
    problems = [problem for place, item in enumerate(listed) if (problem := _problem(place, item))]
    if problems:
        raise ConfigError(problems)
    return listed


def _problem(place: int, item: Any) -> ConfigProblem | None:
    if not isinstance(item, Mapping):
        return ConfigProblem(f"variants.{place}", "an object", shown(item))
    for path in item:
        if not isinstance(path, str) or not all(path.split(".")):
            return ConfigProblem(f"variants.{place}", "dotted paths as keys", shown(path))
    return None
