"""What a client may set for a portfolio: sleeves, each a config of its own with a weight."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.config import BacktestConfig
from engine.model import FROM_LIST, Model

MAX_SLEEVES = 100
#: Weights that add up to one on paper may exceed it by rounding.
WEIGHT_TOLERANCE = 1e-9

Weight = Annotated[float, Field(gt=0, le=1)]


class SleeveDraft(Model):
    """A sleeve as a client writes it, before it inherits from the portfolio."""

    weight: Weight
    config: Mapping[str, Any]


class PortfolioDraft(Model):
    """The parameters of a portfolio as a client writes them; each sleeve is read by itself."""

    sleeves: Annotated[tuple[Any, ...], Field(min_length=1, max_length=MAX_SLEEVES), FROM_LIST]
    rebalance: Literal["none"] = "none"


class Sleeve(Model):
    """``weight`` × the portfolio's starting capital, and what is run with it."""

    weight: Weight
    config: BacktestConfig


class PortfolioParameters(Model):
    """The sleeves of a portfolio. Nothing is moved between them."""

    sleeves: tuple[Sleeve, ...]
    rebalance: Literal["none"] = "none"
