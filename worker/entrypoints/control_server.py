"""``backtest-worker control``: the control service as a process."""

import os

from worker.bootstrap import build_services, require_artifacts
from worker.entrypoints.control_app import create_control_app
from worker.entrypoints.serving import serve_app
from worker.entrypoints.starting import without_old_models
from worker.logs import configure_logging
from worker.settings import Settings, require_control_auth


def serve_control(settings: Settings) -> None:
    """Serve until SIGTERM.

    Raises:
        SettingsError: the settings would leave routes open to the network, or name another place
            for artifacts than the job store has.
    """
    require_control_auth(settings)
    # Arrow's own allocators keep what each thread has once used; many users read bundles here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    configure_logging(settings.log_style)
    with without_old_models():
        services = build_services(settings, "control")
        require_artifacts(services.artifact_place, settings)
        app = create_control_app(services)
    serve_app(app, settings)
