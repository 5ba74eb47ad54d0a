"""The body of ``POST /v1/bundles``: what may stand in it, and every field that is wrong."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictInt, StrictStr, ValidationError
from pydantic.alias_generators import to_camel

import engine
from engine.model import NullIsAbsent
from worker.entrypoints.bodies import described_body
from worker.entrypoints.bundle_examples import REQUESTS
from worker.entrypoints.field_errors import InvalidFields, field_errors, misplaced_config
from worker.entrypoints.job_forms import Form
from worker.jobs.bundle import DEFAULT_RANK_BY, MAX_NAME_CHARACTERS, KeepResults
from worker.jobs.rank import MAX_PRIORITY, MIN_PRIORITY
from worker.services.bundles.submission import AskedBundle

#: Longer bodies are 413.
MAX_BUNDLE_BODY_BYTES = 20 * 1024 * 1024

#: What tells a bundle from a backtest, where either may come.
BASE_CONFIG = "baseConfig"


class NewBundle(Form, NullIsAbsent):
    """Variants of one config to run: every combination of a grid, or a list."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="forbid")

    name: Annotated[StrictStr, Field(max_length=MAX_NAME_CHARACTERS)] | None = Field(
        None, description="For people."
    )
    base_config: dict[str, Any] = Field(
        description="As `configUsed` of a backtest; what is missing in it every variant must set."
    )
    parameter_grid: dict[str, Any] | None = Field(
        None,
        description="Dotted paths into `baseConfig`, each with a list of values or with `start`, "
        "`stop` (inclusive) and `step`. Every combination is a variant; the last path changes "
        "fastest.",
    )
    variants: list[Any] | None = Field(
        None, description="Instead of a grid: for each variant the dotted paths that it sets."
    )
    rank_by: StrictStr = Field(
        DEFAULT_RANK_BY, description="The metric of the best: descending, nulls last."
    )
    keep_results: Literal["best", "all", "none"] = Field(
        "best", description="Whose full results are kept: the best ten's, all, none."
    )
    priority: Annotated[StrictInt, Field(ge=MIN_PRIORITY, le=MAX_PRIORITY)] = Field(
        0, description="Higher runs first; one that is too high for a client is lowered."
    )
    engine_version: Annotated[StrictStr, Field(min_length=1, max_length=32)] | None = Field(
        None, description="Whose numbers to reproduce; the current engine's by default."
    )


def read_new_bundle(body: object) -> NewBundle:
    """The request in a JSON body. Raises ``InvalidFields``."""
    if isinstance(body, dict) and body.get(BASE_CONFIG) is None:
        _refuse_config(body)
    try:
        return NewBundle.model_validate(body)
    except ValidationError as error:
        raise InvalidFields(field_errors(error.errors(include_url=False))) from None


def _refuse_config(body: Mapping[str, Any]) -> None:
    """One sentence, rather than an error for each field, where the body is a configuration."""
    if body.get("strategyId") is not None:
        sentence = (
            'This is a configuration: a bundle has it in {"baseConfig": …}, beside parameterGrid '
            "or variants."
        )
        raise InvalidFields([misplaced_config(BASE_CONFIG)], sentence)


def bundle_errors(error: engine.ConfigError) -> list[dict[str, Any]]:
    """The bad fields of a bundle, as paths into the request."""
    return [
        {"path": problem.path, "expected": problem.expected, "got": problem.got}
        for problem in error.problems
    ]


def asked_bundle(user_id: str, new: NewBundle, key: str | None = None) -> AskedBundle:
    """What a request asks for, as a user's wish."""
    return AskedBundle(
        user_id=user_id,
        name=new.name,
        base_config=new.base_config,
        parameter_grid=new.parameter_grid,
        variants=new.variants,
        rank_by=new.rank_by,
        keep_results=KeepResults(new.keep_results),
        priority=new.priority,
        engine_version=new.engine_version,
        idempotency_key=key,
    )


def bundle_body_schema() -> dict[str, Any]:
    """The OpenAPI description of the body, which the handler reads by itself."""
    return described_body(NewBundle, REQUESTS)
