"""The body of ``POST /v1/backtests``: what may stand in it, and every field that is wrong."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictInt, StrictStr, ValidationError
from pydantic.alias_generators import to_camel

import engine
from engine.model import NullIsAbsent
from worker.entrypoints.bodies import described_body
from worker.entrypoints.field_errors import InvalidFields, field_errors, misplaced_config
from worker.entrypoints.job_forms import Form, JobSummary
from worker.jobs.rank import MAX_PRIORITY, MIN_PRIORITY

_WHEEL = {
    "strategyId": "wheel",
    "symbol": "SPY",
    "startDate": "2020-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 100_000,
    "parameters": {"dte": 30, "put": {"delta": 0.3}, "call": {"moneyness": 0.02}},
}
_CROSSOVER = {
    "strategyId": "smaCross",
    "symbol": "SPY",
    "startDate": "2015-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 10_000,
    "parameters": {"fast": 50, "slow": 200},
    "execution": {"feeRate": 0.0005, "stopLoss": 0.1},
}
_OWN_PRICES = {
    "strategyId": "smaCross",
    "symbol": "EXAMPLE",
    "label": "Prices of its own",
    "startDate": "2024-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 10_000,
    "pricePath": [
        *(100, 101, 103, 102, 104, 107, 106, 109, 111, 110, 108, 105, 103, 104, 101),
        *(98, 97, 99, 101, 100, 103, 106, 108, 107, 110, 113, 112, 115, 118, 117),
    ],
    "parameters": {"fast": 2, "slow": 5},
}
EXAMPLES: dict[str, Any] = {
    "ownPrices": {
        "summary": "A crossover on prices that come with the request",
        "value": {"configUsed": _OWN_PRICES},
    },
    "wheel": {
        "summary": "Sell puts at a delta of 0.3 and calls 2 % out of the money",
        "value": {"configUsed": _WHEEL},
    },
    "smaCross": {
        "summary": "A moving-average crossover with costs, a stop and a time limit",
        "value": {"configUsed": _CROSSOVER, "priority": 0, "timeoutSeconds": 60},
    },
}


class NewBacktest(Form, NullIsAbsent):
    """A backtest to run."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    config_used: dict[str, Any] = Field(description="What to run.")
    priority: Annotated[StrictInt, Field(ge=MIN_PRIORITY, le=MAX_PRIORITY)] = Field(
        0, description="Higher runs first; one that is too high for a client is lowered."
    )
    engine_version: Annotated[StrictStr, Field(min_length=1, max_length=32)] | None = Field(
        None, description="Whose numbers to reproduce; the current engine's by default."
    )
    timeout_seconds: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="Give up after this long."
    )


class BacktestList(Form):
    """One page; ``nextCursor`` is null on the last one."""

    backtests: list[JobSummary]
    next_cursor: str | None


def read_new_backtest(
    body: object, check_config: Callable[[Mapping[str, Any]], object]
) -> NewBacktest:
    """The request in a JSON body.

    Raises:
        InvalidFields: with the config's errors beside the envelope's, so that one answer tells all.
    """
    if isinstance(body, dict) and body.get("configUsed") is None:
        _refuse_mistaken(body)
    try:
        return NewBacktest.model_validate(body)
    except ValidationError as error:
        errors = field_errors(error.errors(include_url=False))
    config = body.get("configUsed") if isinstance(body, dict) else None
    if isinstance(config, dict):
        try:
            check_config(config)
        except engine.ConfigError as error:
            errors += config_errors(error)
    raise InvalidFields(errors)


def _refuse_mistaken(body: Mapping[str, Any]) -> None:
    """One sentence, rather than an error for each field, where the body is something else."""
    if body.get("strategyId") is not None:
        sentence = 'This is a configuration: send it as {"configUsed": …}.'
        raise InvalidFields([misplaced_config("configUsed")], sentence)
    if body.get("baseConfig") is not None:
        error = {"path": "configUsed", "expected": "a configuration", "got": "a bundle"}
        raise InvalidFields([error], "This is a bundle: POST /v1/bundles takes it.")


def config_errors(error: engine.ConfigError) -> list[dict[str, Any]]:
    """The bad fields of a config, as paths into the request."""
    return [
        {
            "path": f"configUsed.{problem.path}" if problem.path else "configUsed",
            "expected": problem.expected,
            "got": problem.got,
        }
        for problem in error.problems
    ]


def body_schema() -> dict[str, Any]:
    """The OpenAPI description of the body, which handlers read by themselves."""
    return described_body(NewBacktest, EXAMPLES)
