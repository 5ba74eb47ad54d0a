"""How orders are filled and what they cost: the ``execution`` part of a config."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.model import Model, NonNegative, Positive, field_error

Rate = Annotated[float, Field(ge=0, lt=1)]


class Sizing(Model):
    """How much an entry buys or sells.

    ``equityFraction``: that part of equity, all of it unless told otherwise; ``notional``: that
    much money; ``units``: that many units. ``whole_units`` floors the result to whole units.
    """

    type: Literal["equityFraction", "notional", "units"] = "equityFraction"
    value: Positive = 1.0
    whole_units: bool = False

    @model_validator(mode="after")
    def _says_how_much(self) -> "Sizing":
        if self.type != "equityFraction" and "value" not in self.model_fields_set:
            raise field_error("value", f"a number for {self.type}", None)
        return self

    @model_validator(mode="after")
    def _no_leverage(self) -> "Sizing":
        if self.type == "equityFraction" and self.value > 1.0:
            raise field_error("value", "at most 1 for equityFraction", self.value)
        return self


class Execution(Model):
    """Fills and costs of the signal strategies.

    Rates are fractions of a fill's notional, ``fee_per_trade`` is money a fill. ``stop_loss`` and
    ``take_profit`` are fractions of the entry price, ``trailing_stop`` of the best price since.
    """

    fill_on: Literal["nextOpen", "close"] = "nextOpen"
    fee_rate: Rate = 0.0
    fee_per_trade: NonNegative = 0.0
    slippage_rate: Rate = 0.0
    sizing: Sizing = Sizing()
    direction: Literal["long", "short", "both"] = "long"
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    trailing_stop: Positive | None = None
    intrabar: Literal["pessimistic", "optimistic", "nearestExtreme"] = "pessimistic"
    close_at_end: bool = False
