"""Only tokens that Google signed, for us, for a caller whom the operator named."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from google.auth import jwt

from tests.support.signed_tokens import KEY_ID, Signer, issuer
from tests.support.workers import make_worker
from worker.oidc import (
    FIREBASE_CERTS_URL,
    GOOGLE_CERTS_URL,
    MAX_CACHE_SECONDS,
    MIN_CACHE_SECONDS,
    REFETCH_SECONDS,
    CertificateCache,
    Certificates,
    CertificatesUnavailable,
    InvalidToken,
    MachineCallers,
    NotAllowed,
    NotAuthenticated,
    bearer_token,
    fetch_certificates,
    firebase_user,
    firebase_verifier,
    google_verifier,
)

AUDIENCE = "https://worker.example"
PUSHER = "pusher@demo.iam.gserviceaccount.com"
OPERATOR = "operator@demo.iam.gserviceaccount.com"
SETTINGS = {
    "host": "0.0.0.0",
    "oidc_audiences": AUDIENCE,
    "oidc_callers": f"push={PUSHER},run={OPERATOR}",
}


def callers() -> MachineCallers:
    allowed = {"push": frozenset({PUSHER}), "run": frozenset({OPERATOR})}
    return MachineCallers(
        google_verifier([AUDIENCE], issuer().fetch), lambda route: allowed.get(route, frozenset())
    )


def machine(email: Any = PUSHER, **claims: Any) -> str:
    return issuer().machine(AUDIENCE, email, **claims)["Authorization"]


def test_the_named_caller_passes() -> None:
    assert callers().check(machine(), "push") == PUSHER


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  ", "token"])
def test_without_a_token_nobody_is_authenticated(header: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        callers().check(header, "push")


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": NOW - 60},
        {"exp": None},
        {"iat": NOW + 3600},
        {"email": "stranger@demo.iam.gserviceaccount.com"},
        {"email": OPERATOR},
        {"email": None},
        {"email": [PUSHER]},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
    ],
)
def test_a_token_with_a_wrong_claim_is_not_allowed(claims: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed):
        callers().check(machine(**claims), "push")


def unsigned(header: object, claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, claims)
    ]
    return "Bearer " + ".".join([*parts, "c2ln"])


CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": AUDIENCE,
    "email": PUSHER,
    "email_verified": True,
    "iat": NOW - 60,
    "exp": NOW + 600,
}


@pytest.mark.parametrize(
    "header",
    [
        unsigned({"alg": "none", "kid": KEY_ID}, CLAIMS),
        unsigned({"alg": "HS256", "kid": KEY_ID}, CLAIMS),
        unsigned({"alg": "RS256", "kid": KEY_ID}, CLAIMS),
        unsigned({"alg": "RS256"}, CLAIMS),
        unsigned({"alg": "RS256", "kid": 7}, CLAIMS),
        unsigned({"alg": "RS256", "kid": "unknown"}, CLAIMS),
        unsigned([], CLAIMS),
        unsigned({"alg": "RS256", "kid": KEY_ID}, "claims"),
        "Bearer garbage",
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer é.é.é",
        "Bearer " + "a" * 9_000 + ".b.c",
        "Bearer " + base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.c",
    ],
)
def test_a_token_that_google_did_not_sign_is_not_allowed(header: str) -> None:
    with pytest.raises(NotAllowed):
        callers().check(header, "push")


def test_another_key_with_the_same_id_is_not_allowed() -> None:
    forged = Signer().machine(AUDIENCE, PUSHER)["Authorization"]
    with pytest.raises(NotAllowed):
        callers().check(forged, "push")


def test_bearer_is_not_case_sensitive() -> None:
    assert bearer_token("bearer abc") == "abc"


class Endpoint:
    """Counts fetches; tests change what it serves."""

    def __init__(self) -> None:
        self.fetches = 0
        self.now = 0.0
        self.serves: dict[str, str] = {"k1": "pem1"}
        self.max_age = 3600.0
        self.is_down = False
        self.cache = CertificateCache("https://certs", self.fetch, lambda: self.now)

    def fetch(self, _: str) -> Certificates:
        self.fetches += 1
        if self.is_down:
            raise CertificatesUnavailable("down")
        return Certificates(dict(self.serves), self.max_age)


def test_certificates_are_fetched_once_while_they_are_fresh() -> None:
    endpoint = Endpoint()
    for _ in range(100):
        assert endpoint.cache.get("k1") == "pem1"
    endpoint.now = 3599
    endpoint.cache.get("k1")
    assert endpoint.fetches == 1
    endpoint.now = 3600
    endpoint.cache.get("k1")
    assert endpoint.fetches == 2


@pytest.mark.parametrize(
    ("told", "believed"),
    [(0.0, MIN_CACHE_SECONDS), (1e9, MAX_CACHE_SECONDS), (7200.0, 7200.0)],
)
def test_how_long_they_are_fresh_is_bounded(told: float, believed: float) -> None:
    endpoint = Endpoint()
    endpoint.max_age = told
    endpoint.cache.get("k1")
    endpoint.now = believed - 1
    endpoint.cache.get("k1")
    assert endpoint.fetches == 1
    endpoint.now = believed
    endpoint.cache.get("k1")
    assert endpoint.fetches == 2


def test_a_new_key_is_looked_for_but_not_for_every_stranger() -> None:
    endpoint = Endpoint()
    endpoint.cache.get("k1")
    endpoint.serves["k2"] = "pem2"
    for _ in range(50):
        assert endpoint.cache.get("k2") is None
    assert endpoint.fetches == 1
    endpoint.now = REFETCH_SECONDS
    assert endpoint.cache.get("k2") == "pem2"
    for _ in range(50):
        assert endpoint.cache.get("stranger") is None
    assert endpoint.fetches == 2


def test_a_withdrawn_key_is_forgotten() -> None:
    endpoint = Endpoint()
    endpoint.cache.get("k1")
    endpoint.serves = {"k2": "pem2"}
    endpoint.now = 3600
    assert endpoint.cache.get("k1") is None


def test_known_certificates_outlast_an_outage_of_their_endpoint() -> None:
    endpoint = Endpoint()
    endpoint.cache.get("k1")
    endpoint.is_down = True
    endpoint.now = 5000
    assert endpoint.cache.get("k1") == "pem1"
    endpoint.now = 9000
    with pytest.raises(CertificatesUnavailable):
        endpoint.cache.get("k2")


def test_without_any_certificates_nobody_can_tell() -> None:
    endpoint = Endpoint()
    endpoint.is_down = True
    for _ in range(3):
        with pytest.raises(CertificatesUnavailable):
            endpoint.cache.get("k1")
    assert endpoint.fetches == 1


class CertsHandler(BaseHTTPRequestHandler):
    body = b'{"k1": "pem1"}'
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Cache-Control", "public, max-age=19204, must-revalidate")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def endpoint_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = HTTPServer(("127.0.0.1", 0), CertsHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certs"
    server.shutdown()
    thread.join()
    server.server_close()


def test_certificates_come_over_http_with_their_age(endpoint_url: str) -> None:
    assert fetch_certificates(endpoint_url) == Certificates({"k1": "pem1"}, 19204.0)


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"no"), (200, b"[1]")])
def test_an_endpoint_that_is_not_one_is_told(
    endpoint_url: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr(CertsHandler, "status", status)
    monkeypatch.setattr(CertsHandler, "body", body)
    with pytest.raises(CertificatesUnavailable):
        fetch_certificates(endpoint_url)


def test_an_endpoint_that_does_not_answer_is_told() -> None:
    with pytest.raises(CertificatesUnavailable):
        fetch_certificates("http://127.0.0.1:9/certs")


def test_each_kind_of_token_has_its_own_certificates() -> None:
    asked: list[str] = []

    def fetch(url: str) -> Certificates:
        asked.append(url)
        return issuer().fetch(url)

    google_verifier([AUDIENCE], fetch).verify(machine().removeprefix("Bearer "))
    user = issuer().firebase("demo", "ann")["Authorization"].removeprefix("Bearer ")
    claims = firebase_verifier("demo", fetch).verify(user)
    assert firebase_user(claims) == "ann"
    assert asked == [GOOGLE_CERTS_URL, FIREBASE_CERTS_URL]


def test_a_firebase_token_of_another_project_is_invalid() -> None:
    token = issuer().firebase("other", "ann")["Authorization"].removeprefix("Bearer ")
    with pytest.raises(InvalidToken):
        firebase_verifier("demo", issuer().fetch).verify(token)


def test_a_machine_token_is_not_a_users() -> None:
    token = machine(aud="demo").removeprefix("Bearer ")
    with pytest.raises(InvalidToken):
        firebase_verifier("demo", issuer().fetch).verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "", "auth_time": 1},
        {"sub": 5, "auth_time": 1},
        {"sub": "x" * 129, "auth_time": 1},
        {"sub": "ann"},
        {"sub": "ann", "auth_time": NOW + 3600},
        {"sub": "ann", "auth_time": "yesterday"},
    ],
)
def test_a_firebase_token_names_somebody_who_signed_in(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        firebase_user(claims)


def test_verified_tokens_are_decoded_as_google_does() -> None:
    token = machine().removeprefix("Bearer ")
    ours = google_verifier([AUDIENCE], issuer().fetch).verify(token)
    assert ours == jwt.decode(token, verify=False)


@pytest.mark.parametrize(
    ("path", "email", "status"),
    [
        ("/pubsub/push", PUSHER, 204),
        ("/pubsub/push", OPERATOR, 403),
        ("/pubsub/push", None, 401),
        ("/run", OPERATOR, 404),
        ("/run", PUSHER, 403),
        ("/run", None, 401),
        ("/run-backtest", OPERATOR, 422),
        ("/run-backtest", PUSHER, 403),
        ("/run-backtest", None, 401),
    ],
)
def test_each_route_of_the_worker_has_its_callers(
    path: str, email: str | None, status: int
) -> None:
    parts = make_worker(issuer().fetch, **SETTINGS)
    headers = issuer().machine(AUDIENCE, email) if email else {}
    answer = parts.client.post(path, json={"jobId": "nobody"}, headers=headers)
    assert answer.status_code == status
    if status in (401, 403):
        assert answer.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_metrics_are_for_named_callers_and_probes_for_everybody() -> None:
    client = make_worker(issuer().fetch, **SETTINGS).client
    assert client.get("/metrics").status_code == 401
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503


def test_a_stranger_runs_nothing() -> None:
    parts = make_worker(issuer().fetch, **SETTINGS)
    parts.queue("j1")
    parts.client.post("/pubsub/push", json={"jobId": "j1"})
    assert parts.engine.runs == 0


def test_when_nobody_can_tell_it_is_503() -> None:
    def down(_: str) -> Certificates:
        raise CertificatesUnavailable("down")

    parts = make_worker(down, **SETTINGS)
    headers = issuer().machine(AUDIENCE, PUSHER)
    answer = parts.client.post("/pubsub/push", json={"jobId": "j1"}, headers=headers)
    assert answer.status_code == 503


def test_on_loopback_tokens_are_checked_once_they_are_set_up() -> None:
    parts = make_worker(issuer().fetch, **SETTINGS | {"host": "127.0.0.1"})
    assert parts.client.post("/pubsub/push", json={"jobId": "j1"}).status_code == 401
