"""Who may use which route of the control service."""

import time
from typing import Any

import pytest

from tests.support.control import CONFIG, Control, make_control
from tests.support.jobs import an_admitted_job
from tests.support.signed_tokens import Signer, issuer
from worker.oidc import Certificates, CertificatesUnavailable
from worker.settings import SettingsError

PROJECT = "demo"
AUDIENCE = "https://control.example"
EVENTARC = "eventarc@demo.iam.gserviceaccount.com"
SCRAPER = "scraper@demo.iam.gserviceaccount.com"
PUBLIC = {
    "host": "0.0.0.0",
    "auth": "firebase",
    "firebase_project": PROJECT,
    "oidc_audiences": AUDIENCE,
    "oidc_callers": f"events={EVENTARC},metrics={SCRAPER}",
}


@pytest.fixture
def control() -> Control:
    return make_control(issuer().fetch, **PUBLIC)


def user(uid: str = "alice", **claims: Any) -> dict[str, str]:
    return issuer().firebase(PROJECT, uid, **claims)


def submit(control: Control, headers: dict[str, str]) -> Any:
    return control.client.post("/v1/backtests", json={"configUsed": CONFIG}, headers=headers)


def test_a_token_says_whose_backtest_it_is(control: Control) -> None:
    answer = submit(control, user("alice"))
    assert answer.status_code == 201
    assert answer.json()["userId"] == "alice"


def test_users_do_not_see_each_other(control: Control) -> None:
    job_id = submit(control, user("alice")).json()["jobId"]
    path = f"/v1/backtests/{job_id}"

    assert control.client.get(path, headers=user("alice")).status_code == 200
    assert control.client.get(path, headers=user("bob")).status_code == 404
    assert control.client.get("/v1/backtests", headers=user("bob")).json()["backtests"] == []
    assert control.client.post(f"{path}/cancel", headers=user("bob")).status_code == 404
    assert control.job(job_id).cancel_requested is False


def test_an_administrator_sees_everybodys_backtests(control: Control) -> None:
    job_id = submit(control, user("alice")).json()["jobId"]
    path = f"/v1/backtests/{job_id}"
    admin = user("root", admin=True)

    assert control.client.get(path, headers=admin).json()["userId"] == "alice"
    assert control.client.get(f"{path}/result", headers=admin).status_code == 409
    assert control.client.get("/v1/backtests", headers=admin).json()["backtests"] == []
    assert control.client.post(f"{path}/cancel", headers=admin).status_code == 200
    assert control.job(job_id).cancel_requested is True


@pytest.mark.parametrize("claim", ["true", 1, "yes", [True], {"admin": True}, None, False])
def test_anything_but_true_makes_no_administrator(control: Control, claim: object) -> None:
    job_id = submit(control, user("alice")).json()["jobId"]
    answer = control.client.get(f"/v1/backtests/{job_id}", headers=user("bob", admin=claim))
    assert answer.status_code == 404


def test_users_do_not_share_idempotency_keys(control: Control) -> None:
    key = {"Idempotency-Key": "one"}
    first = submit(control, user("alice") | key).json()
    second = submit(control, user("bob") | key).json()
    assert (first["userId"], second["userId"]) == ("alice", "bob")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer garbage"},
        user(aud="other-project"),
        user(iss="https://securetoken.google.com/other-project"),
        user(exp=int(time.time()) - 60),
        user(sub=""),
        user(sub=None),
        user(auth_time=int(time.time()) + 3600),
        issuer().machine(PROJECT, EVENTARC),
        Signer().firebase(PROJECT, "alice"),
    ],
    ids=[
        "none",
        "basic",
        "empty",
        "garbage",
        "audience",
        "issuer",
        "expired",
        "no subject",
        "null subject",
        "signed in tomorrow",
        "a machine's",
        "another key",
    ],
)
def test_without_a_good_token_there_is_401(control: Control, headers: dict[str, str]) -> None:
    answer = submit(control, headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert control.doorbell.rings == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/backtests"),
        ("GET", "/v1/backtests/job-1"),
        ("GET", "/v1/backtests/job-1/result"),
        ("GET", "/v1/backtests/job-1/artifacts/trades"),
        ("POST", "/v1/backtests/job-1/cancel"),
        ("POST", "/events/firestore"),
        ("GET", "/metrics"),
    ],
)
def test_every_route_asks_who_is_there(control: Control, method: str, path: str) -> None:
    control.store.create(an_admitted_job("job-1", user_id="alice"))
    assert control.client.request(method, path).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/ready"])
def test_probes_and_documentation_are_open(control: Control, path: str) -> None:
    assert control.client.get(path).status_code == 200


def test_the_documentation_says_which_routes_want_a_token(control: Control) -> None:
    paths = control.client.get("/openapi.json").json()["paths"]
    guarded = {
        path for path, methods in paths.items() for about in methods.values() if "security" in about
    }
    assert guarded == set(paths) - {"/health", "/ready"}


def test_a_certificate_server_that_is_away_is_503() -> None:
    def fetch(url: str) -> Certificates:
        raise CertificatesUnavailable(url)

    control = make_control(fetch, **PUBLIC)
    assert submit(control, user()).status_code == 503
    headers = issuer().machine(AUDIENCE, EVENTARC)
    assert control.client.post("/events/firestore", headers=headers).status_code == 503


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (issuer().machine(AUDIENCE, EVENTARC), 204),
        (issuer().machine(AUDIENCE, SCRAPER), 403),
        (issuer().machine(AUDIENCE, "anybody@evil.example"), 403),
        (issuer().machine(AUDIENCE, EVENTARC, email_verified=False), 403),
        (issuer().machine("https://other.example", EVENTARC), 403),
        (issuer().machine(AUDIENCE, EVENTARC, iss="https://evil.example"), 403),
        (issuer().firebase(PROJECT, "alice", email=EVENTARC, email_verified=True), 403),
    ],
    ids=["eventarc", "scraper", "anybody", "unverified", "audience", "issuer", "a user's"],
)
def test_events_come_from_eventarcs_account_alone(
    control: Control, headers: dict[str, str], status: int
) -> None:
    assert control.client.post("/events/firestore", headers=headers).status_code == status


def test_metrics_are_for_the_scraper(control: Control) -> None:
    headers = issuer().machine(AUDIENCE, SCRAPER)
    answer = control.client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert "backtest_control" in answer.text


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"auth": "none"}, "AUTH"),
        ({"firebase_project": ""}, "FIREBASE_PROJECT"),
        ({"oidc_audiences": ""}, "OIDC_AUDIENCES"),
        ({"oidc_callers": ""}, "OIDC_CALLERS"),
    ],
)
def test_an_open_door_to_the_network_stops_the_process(missing: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        make_control(**{**PUBLIC, **missing})


def test_on_a_laptop_everybody_is_the_local_user() -> None:
    control = make_control(local_user="me")
    answer = control.client.post("/v1/backtests", json={"configUsed": CONFIG})
    assert answer.json()["userId"] == "me"


def test_callers_that_are_set_up_are_checked_on_a_laptop_too() -> None:
    control = make_control(
        issuer().fetch, oidc_audiences=AUDIENCE, oidc_callers=f"events={EVENTARC}"
    )
    assert control.client.post("/events/firestore").status_code == 401
