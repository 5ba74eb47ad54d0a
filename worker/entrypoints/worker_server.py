"""``backtest-worker serve``: the worker service as a process."""

import os
import signal

from worker.bootstrap import build_services, build_worker, require_artifacts
from worker.entrypoints.serving import serve_app
from worker.entrypoints.starting import quick_start, without_old_models
from worker.entrypoints.worker_app import create_worker_app
from worker.logs import configure_logging
from worker.settings import Settings, require_worker_auth


def serve_worker(settings: Settings) -> None:
    """Serve until SIGTERM; the running job goes back to the queue then.

    Raises:
        SettingsError: the settings would leave routes open to the network, or name directories that
            cannot be used.
        SystemExit: with 1 at the end, if the kernels could not be loaded.
    """
    require_worker_auth(settings)
    configure_logging(settings.log_style)
    with quick_start():
        services = build_services(settings, "worker")
        require_artifacts(services.artifact_place, settings)
        worker = build_worker(
            services, on_abandoned=_replace_this_process, on_unfit=_replace_this_process
        )
        with without_old_models():
            app = create_worker_app(worker)
    serve_app(app, settings, on_exit=worker.shutdown.set)
    if worker.warm_up.failed:
        raise SystemExit(1)


def _replace_this_process() -> None:
    """An engine that does not stop keeps a core, and one whose kernels are not to be had runs
    nothing: leave, and let the platform start afresh.
    """
    os.kill(os.getpid(), signal.SIGTERM)
