"""Signed identity tokens: Google's service accounts (OIDC) and Firebase's users.

The signature alone proves nothing, since anybody can have Google sign a token for any audience:
the caller's email must be one that the operator named.

What fetches and checks is imported with the first token, so that a process without any (a laptop's,
or one behind Cloud Run's IAM) starts sooner.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
FIREBASE_CERTS_URL = (
    "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
)
FIREBASE_ISSUER_PREFIX = "https://securetoken.google.com/"

#: How long fetched certificates are believed, whatever the endpoint says.
MIN_CACHE_SECONDS = 300.0
MAX_CACHE_SECONDS = 86_400.0
#: An unknown key id makes us look again, but not more often than this.
REFETCH_SECONDS = 30.0
FETCH_TIMEOUT_SECONDS = 5.0
CLOCK_SKEW_SECONDS = 10
MAX_TOKEN_CHARACTERS = 8_192


class InvalidToken(Exception):
    """The token is not one of ours; the message says why, for the log."""


class CertificatesUnavailable(Exception):
    """The certificates' endpoint does not answer, and none are cached."""


class NotAuthenticated(Exception):
    """No token came with the request."""


class NotAllowed(Exception):
    """A token came, but not one that may call this route."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM by key id, and how many seconds they may be cached."""

    by_key_id: Mapping[str, str]
    max_age: float


Fetch = Callable[[str], Certificates]


def fetch_certificates(url: str) -> Certificates:
    """Get the certificates over HTTP.

    Raises:
        CertificatesUnavailable: no answer, or none that can be used.
    """
    import httpx

    try:
        response = httpx.get(url, timeout=FETCH_TIMEOUT_SECONDS)
        response.raise_for_status()
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise CertificatesUnavailable(f"{url}: {type(error).__name__}") from error
    if not isinstance(body, dict):
        raise CertificatesUnavailable(f"{url}: not a map of certificates")
    age = re.search(r"max-age=(\d{1,9})", response.headers.get("cache-control", ""))
    return Certificates(
        {str(key): str(pem) for key, pem in body.items()}, float(age[1]) if age else 0.0
    )


class CertificateCache:
    """Certificates of one endpoint, fetched when they are old or a key id is unknown."""

    def __init__(
        self,
        url: str,
        fetch: Fetch = fetch_certificates,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: Mapping[str, str] = {}
        self._fresh_until = float("-inf")
        self._refetch_after = float("-inf")

    def get(self, key_id: str) -> str | None:
        """The PEM of a key, ``None`` if the endpoint does not know it.

        Raises:
            CertificatesUnavailable: the endpoint is down and the key is not cached.
        """
        with self._lock:
            now = self._monotonic()
            known = key_id in self._known
            if now >= self._refetch_after and (not known or now >= self._fresh_until):
                self._refetch_after = now + REFETCH_SECONDS
                try:
                    self._refresh(now)
                except CertificatesUnavailable:
                    if not known:
                        raise
            if not known and not self._known:
                raise CertificatesUnavailable(self._url)
            return self._known.get(key_id)

    def _refresh(self, now: float) -> None:
        fetched = self._fetch(self._url)
        self._known = fetched.by_key_id
        self._fresh_until = now + min(max(fetched.max_age, MIN_CACHE_SECONDS), MAX_CACHE_SECONDS)


class TokenVerifier:
    """Checks signature, algorithm, issuer, audience and times of one kind of token."""

    def __init__(
        self, certificates: CertificateCache, issuers: Sequence[str], audiences: Sequence[str]
    ) -> None:
        self._certificates = certificates
        self._issuers = tuple(issuers)
        self._audiences = list(audiences)

    def verify(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that may be believed.

        Raises:
            InvalidToken: it may not.
            CertificatesUnavailable: nobody can tell now.
        """
        from google.auth import exceptions, jwt

        header = _parts(token)
        key_id = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(key_id, str):
            raise InvalidToken("not an RS256 token with a key id")
        certificate = self._certificates.get(key_id)
        if certificate is None:
            raise InvalidToken("signed with an unknown key")
        try:
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]  # has no types
                token,
                certs={key_id: certificate},
                audience=self._audiences,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except (ValueError, TypeError, exceptions.GoogleAuthError) as error:
            raise InvalidToken(f"{error!s:.120}") from None
        if claims.get("iss") not in self._issuers:
            raise InvalidToken("wrong issuer")
        return claims


class MachineCallers:
    """Which service account may call which machine route."""

    def __init__(
        self, verifier: TokenVerifier, callers_of: Callable[[str], frozenset[str]]
    ) -> None:
        self._verifier = verifier
        self._callers_of = callers_of

    def check(self, authorization: str | None, route: str) -> str:
        """The email of the caller.

        Raises:
            NotAuthenticated: no bearer token.
            NotAllowed: not a valid token, or not of a caller of this route.
            CertificatesUnavailable: nobody can tell now.
        """
        token = bearer_token(authorization)
        if token is None:
            raise NotAuthenticated
        try:
            claims = self._verifier.verify(token)
        except InvalidToken as error:
            raise NotAllowed(str(error)) from None
        email = claims.get("email")
        named = isinstance(email, str) and email in self._callers_of(route)
        if claims.get("email_verified") is not True or not named:
            raise NotAllowed(f"{email!s:.80} may not call {route}")
        return str(email)


def google_verifier(audiences: Sequence[str], fetch: Fetch = fetch_certificates) -> TokenVerifier:
    """For OIDC tokens of Google service accounts."""
    return TokenVerifier(CertificateCache(GOOGLE_CERTS_URL, fetch), GOOGLE_ISSUERS, audiences)


def firebase_verifier(project: str, fetch: Fetch = fetch_certificates) -> TokenVerifier:
    """For ID tokens of a Firebase project's users. See :func:`firebase_user`."""
    return TokenVerifier(
        CertificateCache(FIREBASE_CERTS_URL, fetch), (FIREBASE_ISSUER_PREFIX + project,), (project,)
    )


def firebase_user(claims: Mapping[str, Any]) -> str:
    """The uid in verified claims of a Firebase ID token.

    Raises:
        InvalidToken: the claims name no user, or one who has not signed in yet.
    """
    uid = claims.get("sub")
    signed_in = claims.get("auth_time")
    if not isinstance(uid, str) or not 1 <= len(uid) <= 128:
        raise InvalidToken("no user")
    if not isinstance(signed_in, int) or signed_in > time.time() + CLOCK_SKEW_SECONDS:
        raise InvalidToken("not signed in")
    return uid


def bearer_token(authorization: str | None) -> str | None:
    """The token of an ``Authorization: Bearer`` header, ``None`` if there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


def _parts(token: str) -> Mapping[str, Any]:
    """The header, after making sure that header and claims are JSON objects at all."""
    pieces = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(pieces) != 3:
        raise InvalidToken("not a signed token")
    header, claims = (_json(piece) for piece in pieces[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidToken("not a signed token")
    return header


def _json(piece: str) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
    except (ValueError, RecursionError):
        return None
