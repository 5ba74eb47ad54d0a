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

#: The custom claim that makes a Firebase user an administrator: ``{"admin": true}``.
ADMIN_CLAIM = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """``user_id`` owns what the request makes. An administrator sees what others own, too."""

    user_id: str
    is_admin: bool = False

    def may_see(self, owner: str | None) -> bool:
        """Whether something of this owner is there for the user."""
        return self.is_admin or owner == self.user_id


#: A FastAPI dependency.
CurrentUser = Callable[..., User]

_Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(
        HTTPBearer(auto_error=False, scheme_name="Firebase", description="A Firebase ID token.")
    ),
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
            claims = verifier.verify(credentials.credentials)
            return User(firebase_user(claims), is_admin=claims.get(ADMIN_CLAIM) is True)
        except InvalidToken as error:
            logger.info("refused a user's token: %s", error, extra={"event": "token_refused"})
            raise _sign_in("Sign in again: the token is not valid or has expired.") from None
        except CertificatesUnavailable as error:
            logger.warning(
                "a token cannot be checked: %s", error, extra={"event": "certificates_unavailable"}
            )
            raise Problem(503, "The token cannot be checked now; try again.") from None

    return identify


def administrator(current_user: CurrentUser) -> CurrentUser:
    """A dependency that lets only administrators pass; 403 for other users."""

    def identify(user: Annotated[User, Depends(current_user)]) -> User:
        if not user.is_admin:
            raise Problem(403, "Only administrators may do this: it takes the claim admin: true.")
        return user

    return identify


def _sign_in(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
