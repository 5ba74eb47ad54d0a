"""Cloud Scheduler's route: one sweep of everything that events and workers may have left behind."""

from collections.abc import Callable

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from worker.entrypoints.control_metrics import ControlMetrics
from worker.entrypoints.fleet_log import log_figures
from worker.entrypoints.fleet_metrics import FleetMetrics
from worker.entrypoints.job_forms import Form
from worker.services.sweep.sweeping import Sweep

PATH = "/tasks/sweep"


class SweptForm(Form):
    """What each step did; those that broke off are ``failed``."""

    done: dict[str, int]
    failed: list[str]


def sweep_router(
    sweep: Sweep,
    metrics: ControlMetrics,
    fleet: FleetMetrics,
    require_caller: Callable[..., object],
) -> APIRouter:
    """``POST /tasks/sweep``; a store that is away is the application's 503.

    Each sweep also logs the fleet's figures: on Cloud Run nobody scrapes, and alerts are made of
    what is logged.
    """
    router = APIRouter(tags=["machines"])

    @router.post(
        PATH,
        dependencies=[Depends(require_caller)],
        summary="Look after jobs that nobody looks after (Cloud Scheduler)",
        responses={
            200: {"model": SweptForm},
            503: {"description": "The store does not answer."},
        },
    )
    def run_sweep() -> JSONResponse:
        swept = sweep.run()
        metrics.swept(swept)
        log_figures(fleet)
        return JSONResponse({"done": dict(swept.done), "failed": list(swept.failed)})

    return router
