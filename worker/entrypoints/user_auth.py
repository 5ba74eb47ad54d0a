"""Who a request of the user routes speaks for."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header

from worker.entrypoints.problems import Problem
from worker.oidc import (
    CertificatesUnavailable,
    InvalidToken,
    TokenVerifier,
    bearer_token,
    firebase_user,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    """``is_admin`` is the custom claim ``admin: true``."""

    user_id: str
    is_admin: bool = False


CurrentUser = Callable[[str | None], User]


def local_user(user_id: str) -> CurrentUser:
    """A FastAPI dependency without authentication: everybody is ``user_id``."""

    def identify(authorization: Annotated[str | None, Header()] = None) -> User:  # noqa: ARG001
        return User(user_id)

    return identify


def signed_in_user(verifier: TokenVerifier) -> CurrentUser:
    """A FastAPI dependency that wants a Firebase ID token."""

    def identify(authorization: Annotated[str | None, Header()] = None) -> User:
        token = bearer_token(authorization)
        if token is None:
            raise _sign_in("Sign in: a Firebase ID token is required.")
        try:
            claims = verifier.verify(token)
            return User(firebase_user(claims), claims.get("admin") is True)
        except InvalidToken as error:
            logger.info("refused a user's token: %s", error, extra={"event": "token_refused"})
            raise _sign_in("Sign in again: the token is not valid or has expired.") from None
        except CertificatesUnavailable:
            raise Problem(503, "The token cannot be checked now; try again.") from None

    return identify


def _sign_in(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
