"""What probes are told."""

from functools import cache
from importlib import metadata
from typing import Any

import engine
from worker.entrypoints.job_forms import Form, rfc3339
from worker.ports import Clock


class Health(Form):
    """The process is alive."""

    status: str
    version: str
    engine_version: str
    timestamp: str


class Ready(Form):
    """It may be sent work."""

    status: str


#: The routes of probes and scrapers, on every service.
PATHS = frozenset({"/health", "/ready", "/metrics"})

#: How the two probes are described.
ALIVE: dict[int | str, dict[str, Any]] = {200: {"model": Health}}
READY: dict[int | str, dict[str, Any]] = {
    200: {"model": Ready},
    503: {"description": "Not yet, or no longer: `detail` says why."},
}


@cache
def package_version() -> str:
    """The version of the installed package."""
    return metadata.version("backtest-worker")


def health(clock: Clock) -> dict[str, Any]:
    """The answer of ``/health``: the process is alive."""
    return {
        "status": "healthy",
        "version": package_version(),
        "engineVersion": engine.ENGINE_VERSION,
        "timestamp": rfc3339(clock.now()),
    }
