"""Refuses to serve strangers whom nobody checks."""

from worker.settings.loading import SettingsError
from worker.settings.settings import Settings


def require_worker_auth(settings: Settings) -> None:
    """Refuse to serve the worker's routes to the network unless somebody checks the callers.

    Raises:
        SettingsError: not on loopback and neither IAM nor OIDC is set up.
    """
    if settings.on_loopback or settings.worker_auth == "iam":
        return
    _require_oidc(settings, "or WORKER_AUTH=iam behind Cloud Run's IAM")


def require_control_auth(settings: Settings) -> None:
    """Refuse to serve the control service's routes to the network without authentication.

    Raises:
        SettingsError: not on loopback and AUTH or the OIDC settings are missing.
    """
    if settings.auth == "firebase" and not settings.token_project:
        raise SettingsError("AUTH=firebase needs FIREBASE_PROJECT (or a firestore:// store)")
    if settings.on_loopback:
        return
    if settings.auth == "none":
        raise SettingsError(
            f"AUTH=none is for loopback only, and HOST is {settings.host}: set AUTH=firebase"
        )
    _require_oidc(settings, "for the machine routes")


def _require_oidc(settings: Settings, otherwise: str) -> None:
    missing = [
        name
        for name, value in (
            ("OIDC_AUDIENCES", settings.oidc_audiences),
            ("OIDC_CALLERS", settings.oidc_callers),
        )
        if not value
    ]
    if missing:
        raise SettingsError(
            f"HOST={settings.host} is reachable from the network: set {' and '.join(missing)} "
            f"{otherwise}"
        )
