"""From a client's data to a config, with every bad field named at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.candles import to_milliseconds
from engine.config import BacktestConfig, Envelope, own_fields
from engine.dates import end_of, start_of
from engine.errors import ConfigError, ConfigProblem
from engine.execution import Execution
from engine.limits import shown, structural_problems
from engine.model import Model
from engine.portfolio_parameters import (
    WEIGHT_TOLERANCE,
    PortfolioDraft,
    PortfolioParameters,
    Sleeve,
    SleeveDraft,
)
from engine.problems import problems_from
from engine.strategies import PARAMETERS
from engine.timeframes import TIMEFRAMES

M = TypeVar("M", bound=BaseModel)

#: What a sleeve takes from its portfolio unless it sets it.
INHERITED = (
    "symbol",
    "timeframe",
    "startDate",
    "endDate",
    "pricePath",
    "maxCycles",
    "execution",
    "regime",
    "annualization",
)
#: Where null in a sleeve sets something: no path, no bound. Elsewhere it sets nothing.
_SET_BY_NULL = ("pricePath", "maxCycles")
#: The last millisecond of the year 9999.
_END_OF_TIME = 253_402_300_799_999


def parse_config(raw: Mapping[str, Any]) -> BacktestConfig:
    """Check a client's ``configUsed`` and fill in every default.

    Raises:
        ConfigError: lists every bad field by its path.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError([ConfigProblem("config", "an object", shown(raw))])
    problems = structural_problems(raw)
    if problems:
        raise ConfigError(problems)
    config, problems = _parse(raw, "")
    if config is None or problems:
        raise ConfigError(problems)
    return config


def reads_alone(strategy_id: str) -> type[Model] | None:
    """The model that tells all about ``parameters`` without the rest of the config.

    None for a portfolio, whose sleeves take what they do not set from around them. For any other
    strategy the rest of a config is as sound with one set of parameters as with the next.
    """
    model = PARAMETERS[strategy_id]
    return None if model is PortfolioDraft else model


def _parse(
    raw: Mapping[str, Any], prefix: str
) -> tuple[BacktestConfig | None, list[ConfigProblem]]:
    fields = {key: value for key, value in raw.items() if key != "parameters"}
    envelope, problems = _validated(Envelope, fields, prefix)
    problems += _date_problems(raw, prefix)
    if envelope is not None:
        problems += _price_path_problems(envelope, prefix)
    strategy = raw.get("strategyId")
    model = PARAMETERS.get(strategy) if isinstance(strategy, str) else None
    if model is None:
        return None, problems
    if model is PortfolioDraft and prefix:
        expected = "any strategy but portfolio in a sleeve"
        problem = ConfigProblem(_join(prefix, "strategyId"), expected, shown(strategy))
        return None, [*problems, problem]
    path = _join(prefix, "parameters")
    own = raw.get("parameters")
    parameters, more = _validated(model, {} if own is None else own, path)
    problems += more
    if strategy == "wheel":
        problems += _execution_problems(raw.get("execution"), prefix)
    if isinstance(parameters, PortfolioDraft):
        capital = envelope.starting_capital if envelope else 1.0
        parameters, more = _with_sleeves(parameters, raw, capital, problems)
        problems += more
    if envelope is None or parameters is None or problems:
        return None, problems
    return BacktestConfig.model_construct(**own_fields(envelope), parameters=parameters), []


def _validated(model: type[M], raw: Any, prefix: str) -> tuple[M | None, list[ConfigProblem]]:
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, problems_from(error, raw, prefix)


def _date_problems(raw: Mapping[str, Any], prefix: str) -> list[ConfigProblem]:
    """What is wrong with the dates beyond each one's own form.

    Reversed dates are a mistake beside a price path, too, though nothing depends on its end.
    """
    start_text, end_text = raw.get("startDate"), raw.get("endDate")
    if not isinstance(start_text, str) or not isinstance(end_text, str):
        return []
    try:
        start, end = start_of(start_text), end_of(end_text)
    except ValueError:
        return []
    if start > end:
        expected = f"a date not before startDate ({shown(start_text)})"
        return [ConfigProblem(_join(prefix, "endDate"), expected, shown(end_text))]
    return []


def _execution_problems(raw: Any, prefix: str) -> list[ConfigProblem]:
    """The wheel trades options at model prices: nothing in ``execution`` applies to it."""
    try:
        execution = Execution.model_validate(raw if raw is not None else {})
    except ValidationError:
        return []
    given = execution.model_dump(by_alias=True)
    defaults = Execution().model_dump(by_alias=True)
    return [
        ConfigProblem(
            _join(prefix, f"execution.{key}"),
            "the default, as nothing in execution applies to the wheel",
            shown(given[key]),
        )
        for key, default in defaults.items()
        if given[key] != default
    ]


def _price_path_problems(envelope: Envelope, prefix: str) -> list[ConfigProblem]:
    if envelope.price_path is None:
        return []
    first = to_milliseconds(start_of(envelope.start_date))
    last = first + (len(envelope.price_path) - 1) * TIMEFRAMES[envelope.timeframe]
    if last <= _END_OF_TIME:
        return []
    got = f"{len(envelope.price_path)} bars of {envelope.timeframe} from {envelope.start_date}"
    return [ConfigProblem(_join(prefix, "pricePath"), "bars before the year 10000", got)]


def _with_sleeves(
    draft: PortfolioDraft,
    raw: Mapping[str, Any],
    capital: float,
    known: Sequence[ConfigProblem],
) -> tuple[PortfolioParameters, list[ConfigProblem]]:
    """The same with each sleeve's config inherited and parsed."""
    problems: list[ConfigProblem] = []
    sleeves = []
    for position, raw_sleeve in enumerate(draft.sleeves):
        prefix = f"parameters.sleeves.{position}"
        sleeve, found = _validated(SleeveDraft, raw_sleeve, prefix)
        problems += found
        own = raw_sleeve.get("config") if isinstance(raw_sleeve, Mapping) else None
        if not isinstance(own, Mapping):
            continue
        inherited = {key: raw[key] for key in INHERITED if key in raw}
        share = (sleeve.weight if sleeve else 1.0) * capital
        # One of its own is not used, but a wrong one is a mistake like any other.
        given = {**inherited, "startingCapital": share}
        merged = given | {
            key: value
            for key, value in own.items()
            if value is not None or key not in given or key in _SET_BY_NULL
        }
        config, found = _parse(merged, f"{prefix}.config")
        named = {f"{prefix}.config.{problem.path}" for problem in known}
        problems += [problem for problem in found if problem.path not in named]
        if config is not None and sleeve is not None:
            funded = config.model_copy(update={"starting_capital": share})
            sleeves.append(Sleeve.model_construct(weight=sleeve.weight, config=funded))
    total = math.fsum(sleeve.weight for sleeve in sleeves)
    if not problems and total > 1.0 + WEIGHT_TOLERANCE:
        expected = "weights that add up to at most 1"
        problems.append(ConfigProblem("parameters.sleeves", expected, f"a sum of {total:g}"))
    parameters = PortfolioParameters.model_construct(
        sleeves=tuple(sleeves), rebalance=draft.rebalance
    )
    return parameters, problems


def _join(prefix: str, path: str) -> str:
    return f"{prefix}.{path}" if prefix else path
