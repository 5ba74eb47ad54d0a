"""Where a server listens, and who may call it."""

import ipaddress
from typing import Literal

from pydantic import Field, field_validator

from worker.settings.section import CommaSeparated, Section

#: The machine routes that OIDC_CALLERS may name.
MACHINE_ROUTES = ("push", "run", "events", "sweep", "metrics")


class Access(Section):
    """A server's address, and how its callers prove who they are."""

    host: str = Field("127.0.0.1", description="Address to bind. The image sets `0.0.0.0`.")
    port: int = Field(8080, ge=0, le=65535, description="Port to bind; 0 takes a free one.")
    auth: Literal["none", "firebase"] = Field(
        "none",
        description="Who may use the control service's user routes: `none` (loopback only; "
        "everybody is `LOCAL_USER`) or `firebase` (ID tokens).",
    )
    firebase_project: str = Field(
        "",
        description="Project whose Firebase ID tokens are accepted with `AUTH=firebase`. "
        "Empty: the project of a `firestore://` store.",
    )
    local_user: str = Field(
        "local", min_length=1, description="Owner of jobs submitted without authentication."
    )
    oidc_audiences: CommaSeparated = Field(
        (), description="Accepted `aud` of Google OIDC tokens, comma-separated."
    )
    oidc_callers: CommaSeparated = Field(
        (),
        description="Service accounts that may call machine routes, comma-separated: `EMAIL` for "
        f"all of them or `ROUTE=EMAIL` with a route of {', '.join(MACHINE_ROUTES)}.",
    )
    worker_auth: Literal["oidc", "iam"] = Field(
        "oidc",
        description="Who checks callers of the worker: the app itself (`oidc`), or Cloud Run's "
        "IAM in front of it (`iam`).",
    )

    @field_validator("oidc_callers")
    @classmethod
    def _known_routes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for caller in value:
            route, separator, _ = caller.rpartition("=")
            if separator and route not in MACHINE_ROUTES:
                raise ValueError(
                    f"{caller!r} names no machine route; these exist: {', '.join(MACHINE_ROUTES)}"
                )
        return value

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)

    def callers_of(self, route: str) -> frozenset[str]:
        """Emails that may call a machine route."""
        allowed = set()
        for caller in self.oidc_callers:
            name, _, email = caller.rpartition("=")
            if name in ("", route):
                allowed.add(email)
        return frozenset(allowed)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
