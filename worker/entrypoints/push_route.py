"""``POST /pubsub/push``: a ring from Pub/Sub.

Every answer but 204 makes Pub/Sub slow down the whole subscription, for every user. So only a
store that is away and a shutdown are answered with 503; whatever else is wrong with a message or
a job is recorded and acknowledged.
"""

import asyncio
import logging
from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from worker import logs
from worker.bootstrap import Worker
from worker.entrypoints.bodies import bounded_body
from worker.entrypoints.problems import problem_response
from worker.entrypoints.push_messages import MalformedPush, PushMessage, parse_push
from worker.entrypoints.store_answers import trouble_level
from worker.jobs.errors import StoreUnavailable
from worker.services.draining import ShuttingDown
from worker.services.readiness import NotReady

logger = logging.getLogger(__name__)

PATH = "/pubsub/push"
#: A ring is a few dozen bytes.
MAX_PUSH_BYTES = 64 * 1024


def push_router(worker: Worker, slot: asyncio.Lock, check_caller: Callable[..., None]) -> APIRouter:
    """``slot`` is held while a request runs jobs: the others wait without a thread."""
    router = APIRouter()

    @router.post(
        PATH,
        status_code=204,
        response_class=Response,
        dependencies=[Depends(check_caller)],
        summary="A ring: run the best queued jobs (Pub/Sub)",
        responses={503: {"description": "Deliver the ring again."}},
    )
    async def push(request: Request) -> Response:
        arrived_at = worker.services.clock.monotonic()
        body = await bounded_body(request, MAX_PUSH_BYTES)
        try:
            message = _read(body)
        except MalformedPush as error:
            worker.telemetry.pushed("malformed")
            logger.warning("malformed push: %s", error, extra={"event": "push_malformed"})
            return Response(status_code=204)
        with logs.about(traceparent=message.traceparent):
            return await _answer(worker, slot, message, arrived_at)

    return router


def _read(body: bytes | None) -> PushMessage:
    if body is None:
        raise MalformedPush("too long or cut off")
    return parse_push(body)


async def _answer(
    worker: Worker, slot: asyncio.Lock, message: PushMessage, arrived_at: float
) -> Response:
    try:
        if worker.shutdown.is_set():
            raise ShuttingDown
        seen = await run_in_threadpool(worker.services.admission.admit_id, message.job_id)
        rang = None if seen is None else seen.job
        async with slot:
            await run_in_threadpool(worker.drain.drain, arrived_at, rang)
    except NotReady as error:
        worker.telemetry.pushed("unavailable")
        logger.warning(
            "a ring is answered with 503: %s",
            error,
            extra={"event": "push_unavailable", "job_id": message.job_id},
        )
        return problem_response(503, f"This worker runs no jobs now: {error}.")
    except ShuttingDown:
        worker.telemetry.pushed("unavailable")
        logger.info(
            "a ring is answered with 503: this worker is shutting down",
            extra={"event": "push_unavailable", "job_id": message.job_id},
        )
        return problem_response(503, "This worker is shutting down.")
    except StoreUnavailable as error:
        worker.telemetry.pushed("unavailable")
        logger.log(
            trouble_level(error),
            "a ring is answered with 503: %s",
            error.sentence,
            extra={"event": "push_unavailable", "job_id": message.job_id},
        )
        return problem_response(503, "The ring cannot be answered now.")
    except Exception:
        worker.telemetry.pushed("unavailable")
        logger.exception(
            "cannot answer a ring now",
            extra={"event": "push_unavailable", "job_id": message.job_id},
        )
        return problem_response(503, "The ring cannot be answered now.")
    worker.telemetry.pushed("done")
    return Response(status_code=204)
