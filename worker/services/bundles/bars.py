"""How many bars each variant of a bundle covers, as daily quotas count them."""

import json
from collections.abc import Mapping
from typing import Any

import engine
from engine.sweeps.overrides import overridden
from worker.jobs.chunks import Chunk
from worker.jobs.variants import VariantSource
from worker.services.quotas import bars_of

#: Paths that decide how many bars a config covers; ``parameters`` for the sleeves of a portfolio.
_DATES = ("timeframe", "startDate", "endDate")
_OTHERS = ("pricePath", "strategyId", "parameters.sleeves")
_WHOLE = ("parameters",)

#: Of variants that set the same where it matters so many are tried until one is valid.
_TRIES = 20


class BundleBars:
    """Counts; a variant that is not valid covers none."""

    def __init__(self, base: Mapping[str, Any], variants: VariantSource) -> None:
        self._base = base
        self._variants = variants
        self._known: dict[str, int] = {}
        self._tries: dict[str, int] = {}
        paths = variants.paths()
        # A path of prices has its length whatever the dates are, and is long to read for each.
        has_path = bool(base.get("pricePath")) and not any(
            _decides(path, _OTHERS) for path in paths
        )
        self._deciding = _OTHERS if has_path else (*_DATES, *_OTHERS)
        is_same = not any(_decides(path, self._deciding) for path in paths)
        self._each = self._first_valid() if is_same else None

    @property
    def total(self) -> int:
        """Of all variants together."""
        return self.of(Chunk(start=0, count=len(self._variants)))

    def of(self, chunk: Chunk) -> int:
        """Of a chunk's variants."""
        if self._each is not None:
            return self._each * chunk.count
        return sum(
            self._of_variant(self._variants.overrides(index))
            for index in range(chunk.start, chunk.start + chunk.count)
        )

    def _first_valid(self) -> int:
        """What every variant covers if none of them sets anything that decides."""
        total = len(self._variants)
        for place in range(min(total, _TRIES)):
            bars = self._bars(self._variants.overrides(place * total // min(total, _TRIES)))
            if bars:
                return bars
        return 0

    def _of_variant(self, overrides: Mapping[str, Any]) -> int:
        key = json.dumps(
            {path: value for path, value in overrides.items() if _decides(path, self._deciding)},
            default=str,
        )
        if self._known.get(key) or self._tries.get(key, 0) >= _TRIES:
            return self._known[key]
        self._tries[key] = self._tries.get(key, 0) + 1
        self._known[key] = self._bars(overrides)
        return self._known[key]

    def _bars(self, overrides: Mapping[str, Any]) -> int:
        try:
            return bars_of(engine.parse_config(overridden(self._base, overrides)))
        except engine.ConfigError:
            return 0


def _decides(path: str, deciding: tuple[str, ...]) -> bool:
    return path in _WHOLE or path.startswith(deciding)
