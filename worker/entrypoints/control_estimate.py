"""``POST /v1/backtests/estimate``: what a backtest or a bundle would take. Nothing is stored."""

from collections.abc import Callable

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool

from worker.entrypoints.backtest_requests import EXAMPLES, NewBacktest
from worker.entrypoints.bodies import described_body, require_json
from worker.entrypoints.bundle_examples import REQUESTS
from worker.entrypoints.bundle_forms import EstimateForm
from worker.entrypoints.bundle_requests import NewBundle
from worker.entrypoints.user_auth import User
from worker.entrypoints.user_estimates import UserEstimates

PATH = "/v1/backtests/estimate"


def estimate_router(estimates: UserEstimates, current_user: Callable[..., User]) -> APIRouter:
    """The route for the user that ``current_user``, a dependency, finds in a request."""
    router = APIRouter(tags=["backtests"])
    as_user = Depends(current_user)

    @router.post(
        PATH,
        response_model=EstimateForm,
        summary="What a backtest or a bundle would take, and whether your quotas admit it",
        description="Send what you would submit to `/v1/backtests` or to `/v1/bundles`.",
        openapi_extra=described_body(NewBacktest, EXAMPLES | REQUESTS, NewBundle),
        responses={
            413: {"description": "The body is longer than 20 MiB."},
            415: {"description": "The body is not declared as JSON."},
            422: {"description": "Not valid: `errors` lists every wrong field."},
        },
    )
    async def estimate(request: Request, user: User = as_user) -> EstimateForm:
        require_json(request)
        body = await request.body()
        return await run_in_threadpool(estimates.estimate, user, body)

    return router
