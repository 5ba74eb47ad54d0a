"""What a client is answered while the store cannot be used, and what the log says of it."""

import logging

from fastapi import FastAPI, Request

from worker.entrypoints.problems import ProblemResponse, log_unavailable, problem_response
from worker.jobs.errors import OutcomeUnknown, StoreRefuses, StoreUnavailable


def install_store_answers(app: FastAPI) -> None:
    """503 wherever a handler meets a store that cannot be used. Why, only the log is told."""

    @app.exception_handler(OutcomeUnknown)
    async def on_outcome_unknown(request: Request, error: OutcomeUnknown) -> ProblemResponse:
        log_unavailable(request, error.sentence, trouble_level(error))
        return problem_response(
            503,
            "The store did not confirm the write. Look whether it happened before you try again; "
            "with an Idempotency-Key you can simply try again.",
        )

    @app.exception_handler(StoreUnavailable)
    async def on_store_unavailable(request: Request, error: StoreUnavailable) -> ProblemResponse:
        log_unavailable(request, error.sentence, trouble_level(error))
        return problem_response(
            503, "The store does not answer; try again.", headers={"Retry-After": "5"}
        )


def trouble_level(error: StoreUnavailable) -> int:
    """What waiting may mend is a warning; a store that refuses wants a person."""
    return logging.ERROR if isinstance(error, StoreRefuses) else logging.WARNING
