"""Whoever is answered 503 is not told why; the log is, with the job and the trace."""

import json
import logging
from typing import Any

import pytest

from tests.support.control import CONFIG, FragileStore, make_control
from tests.support.signed_tokens import issuer
from tests.support.workers import make_worker
from worker.jobs.errors import OutcomeUnknown, StoreRefuses, StoreUnavailable
from worker.logs import JsonFormatter
from worker.oidc import CertificatesUnavailable

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
DENIED = "the database says: permission denied for table backtest_jobs"


@pytest.fixture
def entries(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> list[dict[str, Any]]:
    """The lines of the log, as Cloud Logging gets them."""
    caplog.set_level(logging.INFO)
    found: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(self.format(record)))

    handler = Keeping()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    return found


def told(entries: list[dict[str, Any]], event: str) -> dict[str, Any]:
    (entry,) = [entry for entry in entries if entry.get("event") == event]
    return entry


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (StoreRefuses(DENIED), "ERROR"),
        (StoreUnavailable("the database says: connection refused"), "WARNING"),
        (OutcomeUnknown("the database says: connection lost"), "WARNING"),
    ],
)
def test_a_user_of_the_api(
    entries: list[dict[str, Any]], error: StoreUnavailable, severity: str
) -> None:
    control = make_control()
    control.store.fail("get", error=error)
    answer = control.client.get("/v1/backtests/j1", headers=HEADERS)
    assert answer.status_code == 503
    assert "database" not in answer.text
    entry = told(entries, "unavailable")
    assert (entry["severity"], entry["jobId"]) == (severity, "j1")
    assert str(error) in entry["message"]
    assert entry["logging.googleapis.com/trace"].endswith(TRACE)


def test_a_submission_that_cannot_be_stored(entries: list[dict[str, Any]]) -> None:
    control = make_control()
    control.store.fail("create", error=StoreRefuses(DENIED))
    answer = control.client.post("/v1/backtests", json={"configUsed": CONFIG}, headers=HEADERS)
    assert answer.status_code == 503
    entry = told(entries, "unavailable")
    assert DENIED in entry["message"]
    assert "POST /v1/backtests" in entry["message"]
    assert "startingCapital" not in str(entry)


@pytest.mark.parametrize(
    ("path", "event"), [("/run", "unavailable"), ("/pubsub/push", "push_unavailable")]
)
def test_whoever_asks_the_worker(entries: list[dict[str, Any]], path: str, event: str) -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.store.fail("get", error=StoreRefuses(DENIED))
    parts.store.fail("commit", error=StoreRefuses(DENIED))
    answer = parts.client.post(path, json={"jobId": "j1"}, headers=HEADERS)
    assert answer.status_code == 503
    entry = told(entries, event)
    assert (entry["severity"], entry["jobId"]) == ("ERROR", "j1")
    assert DENIED in entry["message"]


def refusing(store: FragileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise StoreRefuses(DENIED)

    monkeypatch.setattr(store, "try_write", refuse)


def test_probes_say_that_writes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    control = make_control()
    refusing(control.store, monkeypatch)
    parts = make_worker()
    parts.worker.warm_up.done.set()
    refusing(parts.store, monkeypatch)
    for client in (control.client, parts.client):
        answer = client.get("/ready")
        assert answer.status_code == 503
        assert DENIED in answer.json()["detail"]


def test_whoever_leaves_says_so_too(entries: list[dict[str, Any]]) -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.worker.shutdown.set()
    for path, event in (("/run", "unavailable"), ("/pubsub/push", "push_unavailable")):
        answer = parts.client.post(path, json={"jobId": "j1"}, headers=HEADERS)
        assert answer.status_code == 503
        entry = told(entries, event)
        assert (entry["jobId"], entry["severity"]) == ("j1", "INFO")
        assert "shutting down" in entry["message"]


def test_so_does_whoever_cannot_check_a_token(entries: list[dict[str, Any]]) -> None:
    def away(_: str) -> Any:
        raise CertificatesUnavailable("https://certificates: Timeout")

    control = make_control(away, auth="firebase", firebase_project="p")
    signed_in = issuer().firebase("p", "ann")
    answer = control.client.get("/v1/backtests/j1", headers=HEADERS | signed_in)
    assert answer.status_code == 503
    assert told(entries, "unavailable")["jobId"] == "j1"
    assert "https://certificates" in told(entries, "certificates_unavailable")["message"]
