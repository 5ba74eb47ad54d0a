"""The variants of a chunk by the candles they need, so that each series is loaded once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import engine
from engine.series import SeriesRequest
from engine.sweeps.overrides import overridden
from worker.jobs.chunks import Chunk
from worker.services.bundles.variant_rows import Variants, to_json

#: Where a path that decides about candles begins. ``parameters`` itself may hold all of the others.
_DECIDING = (
    "strategyId",
    "symbol",
    "timeframe",
    "startDate",
    "endDate",
    "pricePath",
    "parameters.volatility",
    "parameters.sleeves",
)
_WHOLE = "parameters"


@dataclass(frozen=True, slots=True)
class Group:
    """``places`` of variants, counted from the chunk's start, and the series they all need."""

    places: Sequence[int]
    series: Sequence[SeriesRequest]


def grouped(base: Mapping[str, Any], variants: Variants, chunk: Chunk) -> Iterator[Group]:
    """All variants of a chunk, in the order of the first of each group.

    Variants that set the same where it matters need the same candles, those that are not valid
    none, so the first valid one tells for all.
    """
    places: dict[str, list[int]] = {}
    for place in range(chunk.count):
        overrides = variants[chunk.start + place]
        places.setdefault(_key(overrides), []).append(place)
    for group in places.values():
        yield Group(group, _series(base, variants, chunk.start, group))


def _key(overrides: Mapping[str, Any]) -> str:
    deciding = {
        path: value
        for path, value in overrides.items()
        if path == _WHOLE or path.startswith(_DECIDING)
    }
    return to_json(deciding) if deciding else ""


def _series(
    base: Mapping[str, Any], variants: Variants, start: int, places: Sequence[int]
) -> Sequence[SeriesRequest]:
    for place in places:
        try:
            config = engine.parse_config(overridden(base, variants[start + place]))
        except engine.ConfigError:
            continue
        return engine.required_series(config)
    return ()
