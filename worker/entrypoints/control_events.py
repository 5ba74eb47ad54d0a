"""Eventarc's route: a document was created, so there may be a job to admit or a bundle to expand.

Answers decide what Eventarc does next. 204 ends the delivery, also for an event that can never be
understood. 503 makes it come again: the store was away, or the job is admitted but the ring
failed; the job is safe in the queue then and the sweep would find it, only later.
"""

import logging
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from worker import logs
from worker.entrypoints.bodies import bounded_body
from worker.entrypoints.cloud_events import DocumentEvent, MalformedEvent, parse_document_event
from worker.entrypoints.control_metrics import ControlMetrics
from worker.entrypoints.problems import Problem
from worker.jobs.errors import DoorbellUnavailable, StoreUnavailable
from worker.services.arrivals import Arrival

logger = logging.getLogger(__name__)

PATH = "/events/firestore"
JOBS = "backtestJobs"
BUNDLES = "backtestBundles"
#: What the log calls the id of a document.
_ID_OF = {JOBS: "job_id", BUNDLES: "bundle_id"}

#: Takes the id of a new document and the trace of its creation.
Announce = Callable[[str, str | None], Arrival]

#: A document has at most 1 MiB, an event at most two states of it.
MAX_BODY_BYTES = 4 * 1024 * 1024


def events_router(
    announce: Mapping[str, Announce],
    metrics: ControlMetrics,
    require_caller: Callable[..., object],
) -> APIRouter:
    """``POST /events/firestore``; ``announce`` has who hears of the documents of a collection."""
    router = APIRouter(tags=["machines"])

    @router.post(
        PATH,
        status_code=204,
        response_class=Response,
        dependencies=[Depends(require_caller)],
        summary="A Firestore document was created (Eventarc)",
        responses={503: {"description": "Deliver the event again."}},
    )
    async def document_event(request: Request) -> Response:
        try:
            event = parse_document_event(request.headers, await _body(request))
        except MalformedEvent as error:
            metrics.event("malformed")
            logger.warning("malformed event: %s", error, extra={"event": "event_malformed"})
            return Response(status_code=204)
        with logs.about(job_id=event.document_id, traceparent=event.traceparent):
            await run_in_threadpool(_handle, event, announce, metrics)
        return Response(status_code=204)

    return router


def _handle(
    event: DocumentEvent, announce: Mapping[str, Announce], metrics: ControlMetrics
) -> None:
    hears = announce.get(event.collection)
    if hears is None or event.kind != "created":
        metrics.event("ignored")
        logger.info(
            "event about %s/%s (%s) ignored",
            event.collection,
            event.document_id,
            event.kind,
            extra={"event": "event_ignored"},
        )
        return
    try:
        metrics.event(hears(event.document_id, event.traceparent).value)
    except StoreUnavailable as error:
        metrics.event("store_unavailable")
        logger.warning(
            "an event is answered with 503: %s",
            error.sentence,
            extra={"event": "store_unavailable", _ID_OF[event.collection]: event.document_id},
        )
        raise Problem(503, "The store does not answer; deliver the event again.") from None
    except DoorbellUnavailable as error:
        metrics.event("doorbell_unavailable")
        logger.warning(
            "admitted, but the ring failed: %s",
            error,
            extra={"event": "ring_failed", _ID_OF[event.collection]: event.document_id},
        )
        raise Problem(503, "The ring failed; deliver the event again.") from None


async def _body(request: Request) -> bytes:
    body = await bounded_body(request, MAX_BODY_BYTES)
    if body is None:
        raise MalformedEvent(f"the body has more than {MAX_BODY_BYTES} bytes, or broke off")
    return body
