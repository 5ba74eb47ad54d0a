"""Who a request of the user routes speaks for."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from worker.entrypoints.problems import Problem
from worker.oidc import CertificatesUnavailable, InvalidToken, TokenVerifier, firebase_user

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    """``user_id`` owns what the request makes and sees."""

    user_id: str


#: A FastAPI dependency.
CurrentUser = Callable[..., User]

_Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description="A Firebase ID token.")),
]


def local_user(user_id: str) -> CurrentUser:
    """Without authentication everybody is ``user_id``."""

    def identify() -> User:
        return User(user_id)

    return identify


def signed_in_user(verifier: TokenVerifier) -> CurrentUser:
    """The user of a Firebase ID token; 401 without a good one."""

    def identify(credentials: _Bearer) -> User:
        if credentials is None:
            raise _sign_in("Sign in: a Firebase ID token is required.")
        try:
            return User(firebase_user(verifier.verify(credentials.credentials)))
        except InvalidToken as error:
            logger.info("refused a user's token: %s", error, extra={"event": "token_refused"})
            raise _sign_in("Sign in again: the token is not valid or has expired.") from None
        except CertificatesUnavailable:
            raise Problem(503, "The token cannot be checked now; try again.") from None

    return identify


def _sign_in(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
