"""Which parameters each strategy takes."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.model import Model
from engine.portfolio_parameters import PortfolioDraft
from engine.preset_parameters import SIGNAL_PARAMETERS
from engine.wheel_parameters import WheelParameters

#: The model that reads ``parameters``, by ``strategyId``.
PARAMETERS: Mapping[str, type[Model]] = MappingProxyType(
    {**SIGNAL_PARAMETERS, "wheel": WheelParameters, "portfolio": PortfolioDraft}
)
