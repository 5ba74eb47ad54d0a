"""Running by hand: one job at an operator's wish, or a configuration without a job."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.concurrency import run_in_threadpool

import engine
from engine.model import NullIsAbsent
from worker.bootstrap import Worker
from worker.entrypoints.backtest_requests import EXAMPLES, config_errors
from worker.entrypoints.bodies import described_body, json_body, require_json_of_pages
from worker.entrypoints.job_forms import JobForm
from worker.entrypoints.problems import Problem
from worker.jobs.errors import ErrorCode, IllegalTransition, JobFailure, LeaseLost
from worker.jobs.job import Job, Snapshot, is_job_id
from worker.jobs.states import JobStatus
from worker.services.backtesting import as_failure
from worker.services.draining import ShuttingDown
from worker.services.result_document import build_result_document


def _job_id(text: str) -> str:
    if not is_job_id(text):
        raise ValueError("the id of a job")
    return text


class RunRequest(NullIsAbsent):
    """Which job, and whether to run a completed one a second time for comparison."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)

    job_id: Annotated[str, AfterValidator(_job_id)]
    force: bool = False


class RunBacktestRequest(BaseModel):
    """A configuration to run without a job."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)

    config_used: dict[str, Any]


class Comparison(BaseModel):
    """A second run of a completed job, compared with the stored result."""

    model_config = ConfigDict(alias_generator=to_camel)

    digest_matches: bool
    data_matches: bool
    problem: str | None = None


class BacktestAnswer(BaseModel):
    """The result of a configuration, cut as a job's result would be."""

    model_config = ConfigDict(alias_generator=to_camel)

    backtest_result: dict[str, Any]


_RUN_EXAMPLES: Mapping[str, Any] = {
    "run": {"summary": "Run a queued or a failed job", "value": {"jobId": "my-first-job"}},
    "force": {
        "summary": "Run a completed job again and compare",
        "value": {"jobId": "my-first-job", "force": True},
    },
}


def run_router(
    worker: Worker,
    slot: asyncio.Lock,
    check_caller: Callable[..., None],
    *,
    pages_reach_it: bool = False,
) -> APIRouter:
    """``slot`` is held while a request computes: the others wait without a thread.

    Where ``pages_reach_it``, a browser's body must be declared as JSON: it asks before it sends
    such a one from another site's page, and is told no.
    """
    checks = [check_caller, require_json_of_pages] if pages_reach_it else [check_caller]
    router = APIRouter(dependencies=[Depends(check) for check in checks])

    @router.post(
        "/run",
        summary="Run exactly this job now",
        openapi_extra=described_body(RunRequest, _RUN_EXAMPLES),
        responses={
            200: {"model": JobForm | Comparison, "description": "It has ended, well or not."},
            404: {"description": "There is no such job."},
            409: {"description": "It is running, or completed and `force` is not set."},
            415: {"description": "From a browser, where nobody signs in: not declared as JSON."},
            422: {"description": "Not valid: `errors` lists every wrong field."},
            503: {"description": "The store does not answer, or this worker is shutting down."},
        },
    )
    async def run(request: Request) -> JSONResponse:
        asked = await json_body(request, RunRequest)
        request.state.job_id = asked.job_id
        seen = await run_in_threadpool(worker.services.store.get, asked.job_id)
        if seen is None:
            raise Problem(404, f"There is no job {asked.job_id}.")
        async with slot:
            if seen.job.status is JobStatus.COMPLETED and asked.force:
                return JSONResponse(await run_in_threadpool(_compare, worker, seen))
            return JSONResponse(await run_in_threadpool(_run, worker, seen))

    @router.post(
        "/run-backtest",
        summary="Run a configuration without a job",
        openapi_extra=described_body(RunBacktestRequest, EXAMPLES),
        responses={
            200: {"model": BacktestAnswer},
            415: {"description": "From a browser, where nobody signs in: not declared as JSON."},
            422: {"description": "Not valid: `errors` lists every wrong field."},
            503: {"description": "This worker is shutting down."},
            504: {"description": "The backtest did not finish in time."},
        },
    )
    async def run_backtest(request: Request) -> JSONResponse:
        asked = await json_body(request, RunBacktestRequest)
        async with slot:
            document = await run_in_threadpool(_backtest, worker, asked.config_used)
        return JSONResponse({"backtestResult": document})

    return router


def _run(worker: Worker, seen: Snapshot) -> dict[str, Any]:
    """The job after it has ended."""
    try:
        job = worker.drain.run_exactly(seen)
    except IllegalTransition as error:
        raise Problem(409, f"{error}.") from None
    except LeaseLost:
        raise Problem(409, f"Job {seen.job.job_id} went to another worker meanwhile.") from None
    return JobForm.of(job).to_json()


def _compare(worker: Worker, seen: Snapshot) -> dict[str, Any]:
    """Whether a second run of a completed job gives the same."""
    _require_engine(seen.job)
    if seen.job.is_chunk:
        raise Problem(
            409,
            f"Job {seen.job.job_id} runs a part of bundle {seen.job.bundle_id}: run one of its "
            "variants as a job to compare.",
        )
    stored = worker.services.store.result(seen.job.job_id)
    if stored is None:
        raise Problem(409, f"Job {seen.job.job_id} has no stored result any more.")
    try:
        comparison = worker.recomputing.compare(seen, stored)
    except engine.Stopped:
        raise _stopped(worker) from None
    answer: dict[str, Any] = {
        "digestMatches": comparison.digest_matches,
        "dataMatches": comparison.data_matches,
    }
    if comparison.problem is not None:
        answer["problem"] = comparison.problem
    return answer


def _require_engine(job: Job) -> None:
    """Numbers of one engine version say nothing about those of another."""
    if job.engine_version not in (None, *engine.SUPPORTED_ENGINE_VERSIONS):
        raise Problem(
            409,
            f"Job {job.job_id} was run by engine version {job.engine_version}; this worker runs "
            f"{', '.join(engine.SUPPORTED_ENGINE_VERSIONS)}.",
            errorCode=ErrorCode.UNSUPPORTED_ENGINE_VERSION,
        )


def _backtest(worker: Worker, config_used: dict[str, Any]) -> dict[str, Any]:
    """The result of a configuration, cut as a job's result would be."""
    clock = worker.services.clock
    deadline = clock.monotonic() + worker.services.settings.job_timeout_seconds
    try:
        result = worker.backtesting.run(
            config_used,
            should_stop=lambda: worker.shutdown.is_set() or clock.monotonic() >= deadline,
        )
        return dict(build_result_document("-", result.to_outline()).backtest_result)
    except engine.Stopped:
        raise _stopped(worker) from None
    except engine.ConfigError as error:
        raise Problem(
            422,
            "The configuration is not valid.",
            errorCode=ErrorCode.INVALID_CONFIG,
            errors=config_errors(error),
        ) from None
    except Exception as error:
        raise _failed(as_failure(error)) from None


def _stopped(worker: Worker) -> Exception:
    if worker.shutdown.is_set():
        return ShuttingDown()
    return Problem(504, "The backtest did not finish in time.", errorCode=ErrorCode.TIMEOUT)


def _failed(failure: JobFailure) -> Problem:
    status = 500 if failure.code is ErrorCode.ENGINE_ERROR else 422
    return Problem(status, failure.message, errorCode=failure.code)
