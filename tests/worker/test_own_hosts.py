"""Without sign-in both services are there for this machine alone, whatever names say."""

from typing import Any

import pytest

from tests.support.control import CONFIG, Control, make_control
from tests.support.signed_tokens import issuer
from tests.support.workers import make_worker
from worker.jobs.states import JobStatus

FORM = "application/x-www-form-urlencoded"
FIREBASE = {"auth": "firebase", "firebase_project": "demo"}


def ask(control: Control, host: str, path: str = "/v1/backtests") -> Any:
    return control.client.get(path, headers={"Host": host})


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "app.localhost:80",
        "127.0.0.1",
        "127.0.0.1:8081",
        "127.9.9.9",
        "[::1]",
        "[::1]:8081",
    ],
)
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert ask(make_control(), host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.7",
        "[2001:db8::1]:80",
        "[",
        ":80",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/v1/backtests", "/docs", "/metrics"])
def test_other_names_are_not(host: str, path: str) -> None:
    answer = ask(make_control(), host, path)
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("Host: expected localhost or a loopback address, got")


def test_nothing_is_done_for_another_name() -> None:
    control = make_control()
    answer = control.client.post(
        "/v1/backtests", json={"configUsed": CONFIG}, headers={"Host": "evil.example"}
    )
    assert answer.status_code == 421
    assert control.doorbell.rings == []


class TestTheWorker:
    @pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
    @pytest.mark.parametrize("path", ["/run", "/pubsub/push"])
    def test_it_works_by_its_own_names(self, host: str, path: str) -> None:
        parts = make_worker()
        parts.queue("j1")
        answer = parts.client.post(path, json={"jobId": "j1"}, headers={"Host": host})
        assert answer.status_code in (200, 204)
        assert parts.job("j1").status is JobStatus.COMPLETED

    @pytest.mark.parametrize("path", ["/run", "/run-backtest", "/pubsub/push"])
    def test_it_does_nothing_by_another_name(self, path: str) -> None:
        parts = make_worker()
        parts.queue("j1")
        body = {"jobId": "j1", "configUsed": CONFIG}
        answer = parts.client.post(path, json=body, headers={"Host": "evil.example:8080"})
        assert answer.status_code == 421
        assert parts.engine.runs == 0

    @pytest.mark.parametrize("path", ["/run", "/run-backtest"])
    @pytest.mark.parametrize(
        "declared", [{}, {"Content-Type": "text/plain"}, {"Content-Type": FORM}]
    )
    @pytest.mark.parametrize(
        "page", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    def test_it_runs_nothing_that_another_sites_page_can_post(
        self, path: str, declared: dict[str, str], page: dict[str, str]
    ) -> None:
        parts = make_worker()
        parts.queue("j1")
        answer = parts.client.post(path, content=b'{"jobId": "j1"}', headers=declared | page)
        assert answer.status_code == 415
        assert answer.headers["content-type"] == "application/problem+json"
        assert parts.engine.runs == 0

    def test_a_ring_of_the_emulator_is_declared_as_a_form(self) -> None:
        parts = make_worker()
        parts.queue("j1")
        headers = {"Content-Type": FORM, "Host": "127.0.0.1:8080"}
        answer = parts.client.post("/pubsub/push", content=b'{"jobId": "j1"}', headers=headers)
        assert answer.status_code == 204
        assert parts.job("j1").status is JobStatus.COMPLETED

    @pytest.mark.parametrize(
        "settings",
        [
            {"worker_auth": "iam"},
            {"oidc_audiences": "https://worker", "oidc_callers": "run=a@example.org"},
        ],
    )
    def test_where_callers_are_checked_any_name_will_do(self, settings: dict[str, str]) -> None:
        client = make_worker(**settings).client
        assert client.get("/health", headers={"Host": "worker.example.org"}).status_code == 200


def test_where_users_sign_in_any_name_will_do() -> None:
    control = make_control(issuer().fetch, **FIREBASE)
    assert ask(control, "backtests.example.org", "/").status_code == 200
