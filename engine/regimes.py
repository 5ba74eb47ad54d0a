"""Market regimes: was the market going up, down or sideways over the last ``lookback`` bars?"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from engine.model import Model, Number, Whole, field_error


class Regime(IntEnum):
    """A bar's regime; ``NONE`` before there are ``lookback`` earlier bars."""

    NONE = -1
    UPTREND = 0
    DOWNTREND = 1
    SIDEWAYS = 2


REGIMES = (Regime.UPTREND, Regime.DOWNTREND, Regime.SIDEWAYS)


class RegimeRule(Model):
    """Thresholds are returns over ``lookback`` bars, as fractions."""

    lookback: Annotated[Whole, Field(ge=1)] = 10
    up_threshold: Number = 0.03
    down_threshold: Number = -0.03

    @model_validator(mode="after")
    def _ordered(self) -> "RegimeRule":
        if self.down_threshold > self.up_threshold:
            raise field_error("downThreshold", "at most upThreshold", self.down_threshold)
        return self


@dataclass(frozen=True, slots=True)
class Segments:
    """Runs of bars of one regime, one row each; both ends belong to it."""

    regime: NDArray[np.int64]
    start_index: NDArray[np.int64]
    end_index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.regime)


def regimes_of(close: NDArray[np.float64], rule: RegimeRule) -> NDArray[np.int64]:
    """The :class:`Regime` of every bar."""
    # Imported here: reading a config needs no kernel.
    from engine.regime_kernels import write_regimes

    regimes = np.empty(len(close), np.int64)
    lookback = min(rule.lookback, len(close))
    write_regimes(close, lookback, rule.up_threshold, rule.down_threshold, regimes)
    return regimes


def segments_of(regimes: NDArray[np.int64]) -> Segments:
    """Neighbouring bars of one regime, merged. They cover every bar that has a regime."""
    is_new = np.concatenate((np.ones(1, np.bool_), regimes[1:] != regimes[:-1]))[: len(regimes)]
    starts = np.flatnonzero(is_new)
    ends = np.concatenate((starts[1:], [len(regimes)]))[: len(starts)] - 1
    known = regimes[starts] != Regime.NONE
    return Segments(regimes[starts][known], starts[known], ends[known])


def dominant_regimes(
    regimes: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each span of bars ``start``…``end`` (both inclusive) its most frequent regime.

    Of regimes with equally many bars, the one seen last. ``NONE`` where no bar has a regime.
    """
    from engine.regime_kernels import write_dominant

    dominant = np.empty(len(start), np.int64)
    write_dominant(regimes, start, end, dominant)
    return dominant
