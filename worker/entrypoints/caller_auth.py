"""The check of Google's OIDC tokens in front of machine routes."""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from worker.entrypoints.problems import Problem
from worker.oidc import CertificatesUnavailable, MachineCallers, NotAllowed, NotAuthenticated

logger = logging.getLogger(__name__)

#: What the documentation calls these tokens.
SCHEME = "GoogleOIDC"

_described = HTTPBearer(
    auto_error=False,
    scheme_name=SCHEME,
    description="A Google OIDC token of a service account in `OIDC_CALLERS`.",
)


def machine_caller(callers: MachineCallers | None, route: str) -> Callable[[Request], None]:
    """A FastAPI dependency that lets only the route's callers pass.

    ``callers`` is ``None`` where nobody is checked here: on loopback, or behind Cloud Run's IAM.
    """

    def check(
        request: Request,
        _: Annotated[object, Depends(_described)] = None,
    ) -> None:
        if callers is None:
            return
        try:
            callers.check(request.headers.get("authorization"), route)
        except NotAuthenticated:
            raise Problem(
                401, "A Google OIDC token is required.", headers={"WWW-Authenticate": "Bearer"}
            ) from None
        except NotAllowed as error:
            logger.warning(
                "refused a call of %s: %s", route, error, extra={"event": "caller_refused"}
            )
            raise Problem(403, "This token may not be used here.") from None
        except CertificatesUnavailable as error:
            logger.warning(
                "a token cannot be checked: %s", error, extra={"event": "certificates_unavailable"}
            )
            raise Problem(503, "The token cannot be checked now; try again.") from None

    return check
