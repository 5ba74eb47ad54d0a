"""What a client may set for the strategies that expand to rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator

from engine.indicator_parameters import FastAndSlow, Multiple, Period
from engine.model import Model, field_error
from engine.rules_parameters import RulesParameters

Level = Annotated[float, Field(ge=0, le=100)]


class BuyAndHoldParameters(Model):
    """Nothing to set."""


class CrossParameters(FastAndSlow):
    """Two moving averages: in when the fast one crosses above the slow one, out when below."""

    fast: Period = 10
    slow: Period = 20


class RsiParameters(Model):
    """In when the index crosses above ``lower``, out when it crosses above ``upper``."""

    period: Period = 14
    lower: Level = 30.0
    upper: Level = 70.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.upper <= self.lower:
            raise field_error("upper", f"more than lower ({self.lower:g})", self.upper)
        return self


class MacdParameters(FastAndSlow):
    """In when the difference crosses above its signal line, out when below."""

    fast: Period = 12
    slow: Period = 26
    signal: Period = 9


class BollingerParameters(Model):
    """In when the close crosses below the lower band, out when it crosses above the middle."""

    period: Period = 20
    deviations: Multiple = 2.0


class SupertrendParameters(Model):
    """In when the direction turns up, out when it turns down."""

    period: Period = 10
    multiplier: Multiple = 3.0


class DonchianParameters(Model):
    """In on a close above the ``entry`` bars' high, out on one below the ``exit`` bars' low."""

    entry: Period = 20
    exit: Period = 10


#: The parameter model of every signal strategy, by ``strategyId``.
SIGNAL_PARAMETERS: Mapping[str, type[Model]] = MappingProxyType(
    {
        "rules": RulesParameters,
        "buyAndHold": BuyAndHoldParameters,
        "smaCross": CrossParameters,
        "emaCross": CrossParameters,
        "rsi": RsiParameters,
        "macd": MacdParameters,
        "bollinger": BollingerParameters,
        "supertrend": SupertrendParameters,
        "donchian": DonchianParameters,
    }
)
