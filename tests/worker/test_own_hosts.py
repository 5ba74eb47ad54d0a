"""Without sign-in the control service is there for this machine alone, whatever names say."""

from typing import Any

import pytest

from tests.support.control import CONFIG, Control, make_control
from tests.support.signed_tokens import issuer

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


def test_where_users_sign_in_any_name_will_do() -> None:
    control = make_control(issuer().fetch, **FIREBASE)
    assert ask(control, "backtests.example.org", "/").status_code == 200
