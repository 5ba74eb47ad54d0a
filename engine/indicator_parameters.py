"""What a client may ask of an indicator: its type, its periods, the column it looks at."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, model_validator

from engine.model import Model, Whole, choice_error, field_error

COLUMNS = ("open", "high", "low", "close", "volume")

Column = Literal["open", "high", "low", "close", "volume"]
#: Longer than any data is fine (the indicator then has no value), longer than an index is not.
Period = Annotated[Whole, Field(ge=1, le=2**31 - 1)]
Multiple = Annotated[float, Field(gt=0, le=1_000)]


class Average(Model):
    """A moving average: simple, exponential or weighted."""

    type: Literal["sma", "ema", "wma"]
    period: Period
    source: Column = "close"


class Rsi(Model):
    """Relative strength index."""

    type: Literal["rsi"]
    period: Period = 14
    source: Column = "close"


class FastAndSlow(Model):
    """Two periods, the first one shorter."""

    fast: Period
    slow: Period

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.slow <= self.fast:
            raise field_error("slow", f"more than fast ({self.fast})", self.slow)
        return self


class Macd(FastAndSlow):
    """Difference of two exponential averages and its signal line."""

    type: Literal["macd"]
    fast: Period = 12
    slow: Period = 26
    signal: Period = 9
    source: Column = "close"


class Bollinger(Model):
    """A simple average with bands of standard deviations."""

    type: Literal["bollinger"]
    period: Period = 20
    deviations: Multiple = 2.0
    source: Column = "close"


class Atr(Model):
    """Average true range."""

    type: Literal["atr"]
    period: Period = 14


class Supertrend(Model):
    """Bands of average true ranges and the direction they give."""

    type: Literal["supertrend"]
    period: Period = 10
    multiplier: Multiple = 3.0


class Donchian(Model):
    """Highest high and lowest low of the bars before."""

    type: Literal["donchian"]
    period: Period = 20


class Stochastic(Model):
    """The slow stochastic oscillator with simple averages."""

    type: Literal["stochastic"]
    fast_k: Period = 5
    slow_k: Period = 3
    slow_d: Period = 3


class StochRsi(Model):
    """The fast stochastic oscillator of the relative strength index."""

    type: Literal["stochRsi"]
    period: Period = 14
    fast_k: Period = 5
    fast_d: Period = 3
    source: Column = "close"


class Roc(Model):
    """Rate of change in percent."""

    type: Literal["roc"]
    period: Period = 10
    source: Column = "close"


#: What can be named of each type, after the indicator's own name; "" is the bare name.
OUTPUTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sma": ("",),
        "ema": ("",),
        "wma": ("",),
        "rsi": ("",),
        "macd": (".macd", ".signal", ".histogram"),
        "bollinger": (".upper", ".middle", ".lower"),
        "atr": ("",),
        "supertrend": (".value", ".direction"),
        "donchian": (".upper", ".lower"),
        "stochastic": (".k", ".d"),
        "stochRsi": ("", ".k", ".d"),
        "roc": ("",),
    }
)


def _of_known_type(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        raise ValueError(f"an object whose type is one of {', '.join(OUTPUTS)}")
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in OUTPUTS:
        raise choice_error(raw, "type", f"one of {', '.join(OUTPUTS)}")
    return raw


Indicator = Annotated[
    Average | Rsi | Macd | Bollinger | Atr | Supertrend | Donchian | Stochastic | StochRsi | Roc,
    Discriminator("type"),
    BeforeValidator(_of_known_type),
]
