"""What to run: the envelope every strategy shares, and its own parameters inside."""

from collections.abc import Mapping, Sized
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from engine.dates import checked, end_of, start_of
from engine.execution import Execution
from engine.model import FROM_LIST, Model, Positive, Whole
from engine.regimes import RegimeRule
from engine.symbols import Symbol
from engine.timeframes import Timeframe

MAX_LABEL = 200

StrategyId = Literal[
    "wheel",
    "rules",
    "buyAndHold",
    "portfolio",
    "smaCross",
    "emaCross",
    "rsi",
    "macd",
    "bollinger",
    "supertrend",
    "donchian",
]
IsoDate = Annotated[str, BeforeValidator(checked)]
#: Money that can grow and be divided by prices without leaving what a float can hold.
Capital = Annotated[Positive, Field(le=1e100)]


def _none_when_empty(value: Any) -> Any:
    """No closes are no path, also as an array: a script has them as such."""
    is_list = isinstance(value, Sized) and not isinstance(value, str | Mapping)
    return None if is_list and not len(value) else value


def _none_when_zero(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and value == 0 else value


class Envelope(Model):
    """Everything in a config but the strategy's parameters."""

    strategy_id: StrategyId
    symbol: Symbol
    timeframe: Timeframe = "1d"
    start_date: IsoDate
    end_date: IsoDate
    starting_capital: Capital
    price_path: Annotated[
        Annotated[tuple[Positive, ...], FROM_LIST] | None, BeforeValidator(_none_when_empty)
    ] = None
    max_cycles: Annotated[
        Annotated[Whole, Field(ge=0)] | None, BeforeValidator(_none_when_zero)
    ] = None
    label: Annotated[str, Field(max_length=MAX_LABEL)] | None = None
    execution: Execution = Execution()
    regime: RegimeRule = RegimeRule()
    annualization: Literal["auto"] | Positive = "auto"


class BacktestConfig(Envelope):
    """A config that can be run. Made by :func:`engine.parse_config`."""

    parameters: SerializeAsAny[Model]

    @property
    def start(self) -> datetime:
        """The first instant whose bars are used."""
        return start_of(self.start_date)

    @property
    def end(self) -> datetime:
        """The last instant whose bars are used."""
        return end_of(self.end_date)

    @model_serializer(mode="wrap")
    def _filled_in(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Clients expect a list and a count where "none" is written as null here."""
        fields: dict[str, Any] = serialize(self)
        price_path = "pricePath" if "pricePath" in fields else "price_path"
        max_cycles = "maxCycles" if "maxCycles" in fields else "max_cycles"
        return {
            **fields,
            price_path: fields[price_path] or [],
            max_cycles: fields[max_cycles] or 0,
        }

    def to_document(self, bars_per_year: float | None = None) -> dict[str, Any]:
        """The config as JSON-ready data with every default filled in.

        ``bars_per_year`` takes the place of ``"auto"`` once the run has decided.
        """
        document = self.model_dump(mode="json", by_alias=True)
        if bars_per_year is not None:
            document["annualization"] = bars_per_year
        return document


def own_fields(config: Envelope) -> Mapping[str, Any]:
    """The envelope's values by their Python names."""
    return {name: getattr(config, name) for name in Envelope.model_fields}
