"""Chunk jobs are nobody's jobs over HTTP."""

import pytest

from tests.support.bundles import an_expanded_bundle
from tests.support.control import Control, make_control
from worker.jobs.states import JobStatus


@pytest.fixture
def control() -> Control:
    return make_control(local_user="ann")


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("GET", "/result"),
        ("GET", "/report"),
        ("GET", "/artifacts/variants"),
        ("POST", "/cancel"),
    ],
)
def test_their_owner_does_not_find_them(control: Control, method: str, rest: str) -> None:
    an_expanded_bundle(control.store, size=6)
    (job,) = control.store.chunk_jobs("b1")
    answer = control.client.request(method, f"/v1/backtests/{job.job_id}{rest}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no such backtest."
    assert control.store.chunk_jobs("b1")[0].status is JobStatus.QUEUED


def test_they_are_not_listed(control: Control) -> None:
    an_expanded_bundle(control.store)
    assert control.client.get("/v1/backtests").json()["backtests"] == []
