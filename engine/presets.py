"""Each preset written out as rules, its short side mirrored."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter

from engine.indicator_parameters import Indicator
from engine.preset_parameters import (
    BollingerParameters,
    BuyAndHoldParameters,
    CrossParameters,
    DonchianParameters,
    MacdParameters,
    RsiParameters,
    SupertrendParameters,
)
from engine.rules_parameters import RulesParameters

_ALWAYS = {"above": [1, 0]}
_NEVER = {"above": [0, 1]}


def _cross(kind: str, parameters: CrossParameters) -> dict[str, Any]:
    up = {"crossesAbove": ["fast", "slow"]}
    down = {"crossesBelow": ["fast", "slow"]}
    return {
        "indicators": {
            "fast": {"type": kind, "period": parameters.fast},
            "slow": {"type": kind, "period": parameters.slow},
        },
        "entry": up,
        "exit": down,
        "shortEntry": down,
        "shortExit": up,
    }


def _sma_cross(parameters: CrossParameters) -> dict[str, Any]:
    return _cross("sma", parameters)


def _ema_cross(parameters: CrossParameters) -> dict[str, Any]:
    return _cross("ema", parameters)


def _rsi(parameters: RsiParameters) -> dict[str, Any]:
    return {
        "indicators": {"rsi": {"type": "rsi", "period": parameters.period}},
        "entry": {"crossesAbove": ["rsi", parameters.lower]},
        "exit": {"crossesAbove": ["rsi", parameters.upper]},
        "shortEntry": {"crossesBelow": ["rsi", parameters.upper]},
        "shortExit": {"crossesBelow": ["rsi", parameters.lower]},
    }


def _macd(parameters: MacdParameters) -> dict[str, Any]:
    up = {"crossesAbove": ["macd.macd", "macd.signal"]}
    down = {"crossesBelow": ["macd.macd", "macd.signal"]}
    return {
        "indicators": {"macd": {"type": "macd", **parameters.model_dump()}},
        "entry": up,
        "exit": down,
        "shortEntry": down,
        "shortExit": up,
    }


def _bollinger(parameters: BollingerParameters) -> dict[str, Any]:
    return {
        "indicators": {"bands": {"type": "bollinger", **parameters.model_dump()}},
        "entry": {"crossesBelow": ["close", "bands.lower"]},
        "exit": {"crossesAbove": ["close", "bands.middle"]},
        "shortEntry": {"crossesAbove": ["close", "bands.upper"]},
        "shortExit": {"crossesBelow": ["close", "bands.middle"]},
    }


def _supertrend(parameters: SupertrendParameters) -> dict[str, Any]:
    up = {"crossesAbove": ["trend.direction", 0]}
    down = {"crossesBelow": ["trend.direction", 0]}
    return {
        "indicators": {"trend": {"type": "supertrend", **parameters.model_dump()}},
        "entry": up,
        "exit": down,
        "shortEntry": down,
        "shortExit": up,
    }


def _donchian(parameters: DonchianParameters) -> dict[str, Any]:
    return {
        "indicators": {
            "entry": {"type": "donchian", "period": parameters.entry},
            "exit": {"type": "donchian", "period": parameters.exit},
        },
        "entry": {"above": ["close", "entry.upper"]},
        "exit": {"below": ["close", "exit.lower"]},
        "shortEntry": {"below": ["close", "entry.lower"]},
        "shortExit": {"above": ["close", "exit.upper"]},
    }


def _buy_and_hold(_: BuyAndHoldParameters) -> dict[str, Any]:
    return {"entry": _ALWAYS, "exit": _NEVER, "shortEntry": _ALWAYS, "shortExit": _NEVER}


_EXPANSIONS: Mapping[str, Callable[[Any], dict[str, Any]]] = MappingProxyType(
    {
        "buyAndHold": _buy_and_hold,
        "smaCross": _sma_cross,
        "emaCross": _ema_cross,
        "rsi": _rsi,
        "macd": _macd,
        "bollinger": _bollinger,
        "supertrend": _supertrend,
        "donchian": _donchian,
    }
)


_INDICATOR: TypeAdapter[Indicator] = TypeAdapter(Indicator)
#: Rules by strategy and conditions. A preset's conditions are the same for all its periods, and
#: reading them takes longer than anything else that happens once to a variant of a sweep.
_known: dict[tuple[str, str], RulesParameters] = {}
_MOST_KNOWN = 64


def as_rules(strategy_id: str, parameters: Any) -> RulesParameters:
    """The rules that ``strategy_id`` stands for; rules themselves stay as they are.

    ``parameters`` is the strategy's own parameter model.
    """
    if isinstance(parameters, RulesParameters):
        return parameters
    return _expanded(strategy_id, parameters)


@lru_cache(maxsize=16)
def _expanded(strategy_id: str, parameters: Any) -> RulesParameters:
    raw = _EXPANSIONS[strategy_id](parameters)
    indicators = raw.get("indicators", {})
    key = strategy_id, repr([value for name, value in raw.items() if name != "indicators"])
    rules = _known.get(key)
    if rules is None:
        rules = RulesParameters.model_validate(raw)
        if len(_known) < _MOST_KNOWN:
            _known[key] = rules
    made = {name: _INDICATOR.validate_python(one) for name, one in indicators.items()}
    return rules.model_copy(update={"indicators": made})
