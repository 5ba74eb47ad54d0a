"""What a client may set for the wheel: puts sold until assigned, then calls until called away."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from engine.model import Model, Whole, choice_error
from engine.symbols import Symbol

LONGEST_DTE = 3650

Days = Annotated[Whole, Field(ge=1, le=LONGEST_DTE)]
Rate = Annotated[float, Field(ge=-1, le=1)]
Money = Annotated[float, Field(ge=0, le=1e12)]
Scale = Annotated[float, Field(gt=0, le=100)]


class ByMoneyness(Model):
    """A strike this fraction of the close out of the money; negative is in the money."""

    moneyness: Annotated[float, Field(ge=-10, le=10)]


class ByDelta(Model):
    """The strike whose spot delta has this absolute value."""

    delta: Annotated[float, Field(gt=0, lt=1)]


def _kind_of_strike(value: Any) -> str | None:
    if isinstance(value, ByMoneyness):
        return "moneyness"
    if isinstance(value, ByDelta):
        return "delta"
    kinds = [
        kind for kind in ("moneyness", "delta") if isinstance(value, Mapping) and kind in value
    ]
    return kinds[0] if len(kinds) == 1 else None


def _without_the_other(value: Any) -> Any:
    """Beside the one that is set, the other may be null."""
    if not isinstance(value, dict) or not {"moneyness", "delta"} <= value.keys():
        return value
    others = {key for key in ("moneyness", "delta") if value[key] is None}
    if len(others) != 1:
        return value
    return {key: item for key, item in value.items() if key not in others}


StrikeChoice = Annotated[
    Annotated[ByMoneyness, Tag("moneyness")] | Annotated[ByDelta, Tag("delta")],
    Discriminator(
        _kind_of_strike,
        custom_error_type="strike_choice",
        custom_error_message="an object with either moneyness or delta",
    ),
    BeforeValidator(_without_the_other),
]


class DteWindow(Model):
    """The listed expiry nearest to ``target`` days ahead, from ``min`` to ``max`` days ahead."""

    target: Days
    min: Days
    max: Days
    expiries: Literal["monthly", "weekly", "any"] = "any"

    @model_validator(mode="after")
    def _in_order(self) -> "DteWindow":
        if not self.min <= self.target <= self.max:
            raise ValueError("min ≤ target ≤ max")
        return self


def _kind_of_dte(value: Any) -> str:
    return "window" if isinstance(value, Mapping | DteWindow) else "days"


Dte = Annotated[
    Annotated[Days, Tag("days")] | Annotated[DteWindow, Tag("window")],
    Discriminator(_kind_of_dte),
]


class ConstantVolatility(Model):
    """One annual volatility for the whole run."""

    model: Literal["constant"] = "constant"
    value: Annotated[float, Field(ge=0, le=100)] = 0.25


class RealizedVolatility(Model):
    """The annualized deviation of the run's own last ``window`` log returns × ``scale``."""

    model: Literal["realized"]
    window: Annotated[Whole, Field(ge=2, le=10_000)] = 30
    scale: Scale = 1.0


class SeriesVolatility(Model):
    """The last close of another symbol, quoted in per cent like the VIX, × ``scale``."""

    model: Literal["series"]
    symbol: Symbol
    scale: Scale = 1.0


def _of_known_model(raw: Any) -> Any:
    if isinstance(raw, Model):
        return raw
    if not isinstance(raw, Mapping):
        raise ValueError("an object whose model is constant, realized or series")
    kind = raw.get("model")
    if not isinstance(kind, str) or kind not in {"constant", "realized", "series"}:
        raise choice_error(raw, "model", "constant, realized or series")
    return raw


Volatility = Annotated[
    ConstantVolatility | RealizedVolatility | SeriesVolatility,
    Discriminator("model"),
    BeforeValidator(_of_known_model),
]


class WheelParameters(Model):
    """Every parameter of the wheel.

    ``contracts`` per put sold, or ``"max"`` for as many as the cash secures. Rates and yields are
    annual fractions, ``commission_per_contract`` and ``assignment_fee`` money, ``spread`` the
    fraction of the model value lost at each side. ``close_at_profit`` 0.5 buys back at half the
    value sold for, ``close_at_dte`` when that few days are left.
    """

    contracts: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | Literal["max"] = 1
    contract_size: Annotated[float, Field(ge=1e-8, le=1e9)] = 100.0
    dte: Dte = 30
    put: StrikeChoice = ByMoneyness(moneyness=0.0)
    call: StrikeChoice = ByMoneyness(moneyness=0.02)
    call_floor: Literal["none", "costBasis"] = "none"
    strike_step: Money = 0.0
    volatility: Volatility = ConstantVolatility()
    risk_free_rate: Rate = 0.0
    dividend_yield: Annotated[float, Field(ge=0, le=1)] = 0.0
    cash_rate: Rate = 0.0
    commission_per_contract: Money = 0.0
    assignment_fee: Money = 0.0
    spread: Annotated[float, Field(ge=0, le=1)] = 0.0
    close_at_profit: Annotated[float, Field(gt=0, le=1)] | None = None
    close_at_dte: Annotated[Whole, Field(ge=0, le=LONGEST_DTE)] | None = None
    early_assignment: Literal["none", "deepInTheMoney"] = "none"

    @model_validator(mode="before")
    @classmethod
    def _expiries_belong_to_dte(cls, raw: Any) -> Any:
        """``expiries`` may also be written beside a ``dte`` window that does not name them."""
        if not isinstance(raw, Mapping) or "expiries" not in raw:
            return raw
        rest = {key: value for key, value in raw.items() if key != "expiries"}
        if raw["expiries"] is None:
            return rest
        dte = raw.get("dte")
        if not isinstance(dte, Mapping) or dte.get("expiries") is not None:
            return raw
        return {**rest, "dte": {**dte, "expiries": raw["expiries"]}}
