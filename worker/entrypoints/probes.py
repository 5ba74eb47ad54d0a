"""What probes are told."""

from functools import cache
from importlib import metadata
from typing import Any

import engine
from worker.entrypoints.job_forms import rfc3339
from worker.ports import Clock


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
