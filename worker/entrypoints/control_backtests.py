"""The user's routes: submit, list, look, fetch, cancel. Another user's job is not found."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from worker.entrypoints.backtest_requests import BacktestList, body_schema
from worker.entrypoints.job_forms import JobForm, ResultForm, result_json
from worker.entrypoints.security_headers import page_headers
from worker.entrypoints.user_auth import User
from worker.entrypoints.user_backtests import UserBacktests
from worker.entrypoints.user_routes import Limit, PageCursor, Posted, posted
from worker.jobs.job import JOB_ID_PATTERN
from worker.jobs.states import JobStatus
from worker.report.result_report import policy

PREFIX = "/v1/backtests"
PARQUET = "application/vnd.apache.parquet"

JobId = Annotated[str, Path(pattern=f"^{JOB_ID_PATTERN}$", description="The backtest's `jobId`.")]

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "No such backtest of yours."}}
_NO_RESULT: dict[int | str, dict[str, Any]] = {
    **_NOT_FOUND,
    409: {"description": "There is no result: `jobStatus` and `errorCode` say why."},
    410: {"description": "It has expired."},
}


def backtests_router(backtests: UserBacktests, current_user: Callable[..., User]) -> APIRouter:
    """``/v1/backtests`` for the user that ``current_user``, a dependency, finds in a request."""
    router = APIRouter(prefix=PREFIX, tags=["backtests"])
    as_user = Depends(current_user)
    as_posted = Depends(posted(current_user))

    @router.post(
        "",
        status_code=201,
        response_model=JobForm,
        summary="Submit a backtest",
        openapi_extra=body_schema(),
        responses={
            409: {"description": "The Idempotency-Key came with another backtest."},
            413: {"description": "The body is too long."},
            415: {"description": "The body is not declared as JSON."},
            422: {"description": "Not valid: `errors` lists every wrong field."},
        },
    )
    def submit(response: Response, new: Posted = as_posted) -> JobForm:
        job = backtests.submit(*new)
        response.headers["Location"] = f"{PREFIX}/{job.job_id}"
        return JobForm.of(job)

    @router.get("", response_model=BacktestList, summary="Your backtests, newest first")
    def list_own(
        user: User = as_user, limit: Limit = 50, cursor: PageCursor = None
    ) -> BacktestList:
        return backtests.page(user, limit, cursor)

    @router.get("/{job_id}", response_model=JobForm, summary="One backtest", responses=_NOT_FOUND)
    def look(job_id: JobId, user: User = as_user) -> JobForm:
        return JobForm.of(backtests.own(user, job_id))

    @router.get(
        "/{job_id}/result",
        summary="The result",
        responses={200: {"model": ResultForm}, **_NO_RESULT},
    )
    def result(job_id: JobId, user: User = as_user) -> JSONResponse:
        return JSONResponse(result_json(backtests.result(user, job_id)))

    @router.get(
        "/{job_id}/report",
        summary="The result as a page to look at, print or save",
        response_class=HTMLResponse,
        responses=_NO_RESULT,
    )
    def report(job_id: JobId, user: User = as_user) -> HTMLResponse:
        return HTMLResponse(backtests.report(user, job_id), headers=page_headers(policy()))

    @router.get(
        "/{job_id}/artifacts/{name}",
        summary="A complete series as Parquet",
        response_class=Response,
        responses={200: {"content": {PARQUET: {}}}, **_NO_RESULT},
    )
    def artifact(
        job_id: JobId,
        name: Annotated[
            str,
            Path(
                pattern=r"^[A-Za-z]{1,40}$",
                description="One of the result's `artifacts`.",
                examples=["equityCurve"],
            ),
        ],
        user: User = as_user,
    ) -> StreamingResponse:
        return StreamingResponse(
            backtests.artifact(user, job_id, name),
            media_type=PARQUET,
            headers={"Content-Disposition": f'attachment; filename="{job_id}-{name}.parquet"'},
        )

    @router.post(
        "/{job_id}/cancel",
        response_model=JobForm,
        summary="Cancel a backtest; as often as you like",
        responses={
            202: {"description": "It is running and will stop soon.", "model": JobForm},
            **_NOT_FOUND,
        },
    )
    def cancel(response: Response, job_id: JobId, user: User = as_user) -> JobForm:
        job = backtests.cancel(user, job_id)
        if job.status is JobStatus.RUNNING:
            response.status_code = 202
        return JobForm.of(job)

    return router
