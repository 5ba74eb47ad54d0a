"""``GET /v1/backtests/{id}/report`` and what browsers are told about all answers."""

from typing import Any

import pytest

from tests.support.control import Control, make_control
from tests.support.jobs import an_admitted_job, claim_best, finish
from tests.support.pages import parse_page, stored_result, wheel_run
from tests.support.signed_tokens import issuer
from worker.report.result_report import policy

PROJECT = "demo"
FIREBASE = {"auth": "firebase", "firebase_project": PROJECT}
PATH = "/v1/backtests/job-1/report"


def completed(control: Control, user: str = "local", **changes: Any) -> None:
    control.store.create(an_admitted_job("job-1", user_id=user))
    running = claim_best(control.store)
    assert running is not None
    finish(
        control.store,
        running,
        user_id=user,
        backtest_result=stored_result(wheel_run(), **changes),
    )


def test_the_report_of_a_completed_job_is_a_page() -> None:
    control = make_control()
    completed(control)

    answer = control.client.get(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    root = parse_page(answer.text)
    assert root.one("h1").text == "wheel on SPY, 1d"
    assert "job-1" in root.one("footer").text


def test_a_report_may_show_its_style_and_do_nothing_else() -> None:
    control = make_control()
    completed(control, notes=["<script>alert(1)</script>"])

    answer = control.client.get(PATH)

    assert answer.headers["content-security-policy"] == f"{policy()}; frame-ancestors 'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script>" not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text


def test_there_is_no_report_before_there_is_a_result() -> None:
    control = make_control()
    control.store.create(an_admitted_job("job-1", user_id="local"))
    answer = control.client.get(PATH)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["jobStatus"] == "queued"


def test_there_is_no_report_of_a_job_that_is_not_there() -> None:
    answer = make_control().client.get(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such backtest.")


def test_nobody_sees_another_users_report() -> None:
    control = make_control(issuer().fetch, **FIREBASE)
    completed(control, "alice")
    assert control.client.get(PATH).status_code == 401
    assert control.client.get(PATH, headers=issuer().firebase(PROJECT, "bob")).status_code == 404
    alice = control.client.get(PATH, headers=issuer().firebase(PROJECT, "alice"))
    assert alice.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/backtests", 200),
        ("GET", "/v1/backtests/none", 404),
        ("POST", "/v1/backtests", 415),
        ("GET", "/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/backtests", 405),
    ],
)
def test_what_is_no_page_may_do_nothing_in_a_browser(method: str, path: str, status: int) -> None:
    answer = make_control().client.request(method, path)
    assert answer.status_code == status
    told = answer.headers["content-security-policy"]
    assert told.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in told
    assert "sandbox" in told
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


def test_a_body_that_is_too_long_gets_them_too() -> None:
    answer = make_control().client.post("/v1/backtests", content=b"x" * (5 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"
