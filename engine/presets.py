"""Each preset written out as rules, its short side mirrored."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from engine.indicator_parameters import Indicator
from engine.preset_parameters import (
    BollingerParameters,
    CrossParameters,
    DonchianParameters,
    MacdParameters,
    RsiParameters,
    SupertrendParameters,
)
from engine.rules_parameters import RulesParameters

_ALWAYS = {"above": [1, 0]}
_NEVER = {"above": [0, 1]}

Conditions = Mapping[str, Any]


class Outline(NamedTuple):
    """Rules in two parts. ``conditions`` are rules of which everything counts but the indicators.

    They are the same object for presets whose parameters differ in indicators only, as the periods
    of a sweep do.
    """

    conditions: RulesParameters
    indicators: Mapping[str, Indicator]


class _Preset(NamedTuple):
    """What a preset's parameters stand for; ``levels`` are those that its conditions look at."""

    indicators: Callable[[Any], Mapping[str, Indicator]]
    conditions: Callable[[Any], Conditions]
    levels: Callable[[Any], tuple[float, ...]] = lambda _: ()


_INDICATOR: TypeAdapter[Indicator] = TypeAdapter(Indicator)


@lru_cache(maxsize=512)
def _indicator(**fields: Any) -> Indicator:
    return _INDICATOR.validate_python(fields)


def _averages(kind: str, parameters: CrossParameters) -> Mapping[str, Indicator]:
    return {
        "fast": _indicator(type=kind, period=parameters.fast),
        "slow": _indicator(type=kind, period=parameters.slow),
    }


def _crossing(one: str, other: str | float) -> Callable[[Any], Conditions]:
    """Long while one is above the other, short while it is below."""
    up = {"crossesAbove": [one, other]}
    down = {"crossesBelow": [one, other]}
    conditions = {"entry": up, "exit": down, "shortEntry": down, "shortExit": up}
    return lambda _: conditions


def _strength(parameters: RsiParameters) -> Mapping[str, Indicator]:
    return {"rsi": _indicator(type="rsi", period=parameters.period)}


def _between_levels(parameters: RsiParameters) -> Conditions:
    return {
        "entry": {"crossesAbove": ["rsi", parameters.lower]},
        "exit": {"crossesAbove": ["rsi", parameters.upper]},
        "shortEntry": {"crossesBelow": ["rsi", parameters.upper]},
        "shortExit": {"crossesBelow": ["rsi", parameters.lower]},
    }


def _macd(parameters: MacdParameters) -> Mapping[str, Indicator]:
    return {"macd": _indicator(type="macd", **dict(parameters))}


def _bands(parameters: BollingerParameters) -> Mapping[str, Indicator]:
    return {"bands": _indicator(type="bollinger", **dict(parameters))}


def _within_bands(_: BollingerParameters) -> Conditions:
    return {
        "entry": {"crossesBelow": ["close", "bands.lower"]},
        "exit": {"crossesAbove": ["close", "bands.middle"]},
        "shortEntry": {"crossesAbove": ["close", "bands.upper"]},
        "shortExit": {"crossesBelow": ["close", "bands.middle"]},
    }


def _trend(parameters: SupertrendParameters) -> Mapping[str, Indicator]:
    return {"trend": _indicator(type="supertrend", **dict(parameters))}


def _channels(parameters: DonchianParameters) -> Mapping[str, Indicator]:
    return {
        "entry": _indicator(type="donchian", period=parameters.entry),
        "exit": _indicator(type="donchian", period=parameters.exit),
    }


def _beyond_channels(_: DonchianParameters) -> Conditions:
    return {
        "entry": {"above": ["close", "entry.upper"]},
        "exit": {"below": ["close", "exit.lower"]},
        "shortEntry": {"below": ["close", "entry.lower"]},
        "shortExit": {"above": ["close", "exit.upper"]},
    }


def _all_the_time(_: Any) -> Conditions:
    return {"entry": _ALWAYS, "exit": _NEVER, "shortEntry": _ALWAYS, "shortExit": _NEVER}


_PRESETS: Mapping[str, _Preset] = MappingProxyType(
    {
        "buyAndHold": _Preset(lambda _: {}, _all_the_time),
        "smaCross": _Preset(partial(_averages, "sma"), _crossing("fast", "slow")),
        "emaCross": _Preset(partial(_averages, "ema"), _crossing("fast", "slow")),
        "rsi": _Preset(_strength, _between_levels, lambda one: (one.lower, one.upper)),
        "macd": _Preset(_macd, _crossing("macd.macd", "macd.signal")),
        "bollinger": _Preset(_bands, _within_bands),
        "supertrend": _Preset(_trend, _crossing("trend.direction", 0)),
        "donchian": _Preset(_channels, _beyond_channels),
    }
)

#: Conditions by strategy and levels: reading them takes longer than anything else that happens
#: once to a variant of a sweep.
_known: dict[tuple[Any, ...], RulesParameters] = {}
_MOST_KNOWN = 256


def as_rules(strategy_id: str, parameters: Any) -> RulesParameters:
    """The rules that ``strategy_id`` stands for; rules themselves stay as they are.

    ``parameters`` is the strategy's own parameter model.
    """
    conditions, indicators = outline(strategy_id, parameters)
    if conditions.indicators is indicators:
        return conditions
    return conditions.model_copy(update={"indicators": indicators})


def outline(strategy_id: str, parameters: Any) -> Outline:
    """The same in two parts, so that nothing is made again that has been there before."""
    preset = _PRESETS.get(strategy_id)
    if preset is None:
        return Outline(parameters, parameters.indicators)
    key = (strategy_id, *preset.levels(parameters))
    conditions = _known.get(key)
    if conditions is None:
        conditions = RulesParameters.model_validate(written_out(strategy_id, parameters))
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = conditions
    return Outline(conditions, preset.indicators(parameters))


def written_out(strategy_id: str, parameters: Any) -> dict[str, Any]:
    """A preset as a client would write it in rules."""
    preset = _PRESETS[strategy_id]
    indicators = preset.indicators(parameters)
    plain = {name: one.model_dump(by_alias=True) for name, one in indicators.items()}
    return {"indicators": plain, **preset.conditions(parameters)}
