"""A push is acknowledged whatever comes, unless somebody else should answer it."""

import base64
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.jobs import a_job, a_running_job
from tests.support.patience import PATIENCE_SECONDS
from tests.support.workers import ScriptedResult, make_worker, raising
from worker.jobs.errors import ErrorCode, OutcomeUnknown, RecordRefused, StoreUnavailable
from worker.jobs.states import JobStatus
from worker.logs import JsonFormatter


def wrapped(data: object, **attributes: str) -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    return {
        "message": {"data": encoded, "attributes": attributes, "messageId": "1"},
        "subscription": "projects/p/subscriptions/s",
    }


def test_a_wrapped_ring_runs_the_job() -> None:
    parts = make_worker()
    parts.queue("j1")
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 204
    assert parts.job("j1").status is JobStatus.COMPLETED
    assert parts.store.result("j1") is not None
    assert parts.metric('backtest_pushes_total{outcome="done"}') == 1


def test_an_unwrapped_ring_runs_the_job() -> None:
    parts = make_worker()
    parts.queue("j1")
    assert parts.client.post("/pubsub/push", content=b'{"jobId": "j1"}').status_code == 204
    assert parts.job("j1").status is JobStatus.COMPLETED


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["", "="])
def test_data_may_be_in_either_alphabet_with_padding_or_without(
    encode: Callable[[bytes], bytes], padding: str
) -> None:
    parts = make_worker()
    parts.queue("j1")
    data = encode(b'{"jobId": "j1", "x": "\xc3\xbf\xc3\xbf?>~"}').decode().rstrip("=")
    data += padding * (-len(data) % 4)
    assert parts.client.post("/pubsub/push", json={"message": {"data": data}}).status_code == 204
    assert parts.job("j1").status is JobStatus.COMPLETED
    assert parts.metric('backtest_pushes_total{outcome="malformed"}') == 0


def test_a_trace_that_is_none_goes_nowhere() -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    pushed = wrapped({"jobId": "j1"}, traceparent="00-" + "x" * 60_000)
    parts.client.post("/pubsub/push", json=pushed)
    assert parts.job("j1").status is JobStatus.COMPLETED
    assert parts.job("j1").traceparent is None


def test_the_answer_has_no_body() -> None:
    parts = make_worker()
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).content == b""


def test_the_job_that_rang_is_admitted_first() -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"}))
    assert parts.job("j1").is_admitted
    assert parts.job("j1").status is JobStatus.COMPLETED


def test_a_ring_is_for_the_best_job_not_for_the_one_that_rang() -> None:
    parts = make_worker(drain_seconds=0)
    parts.queue("late", place=10)
    parts.queue("early", place=0)
    parts.client.post("/pubsub/push", json=wrapped({"jobId": "late"}))
    assert parts.job("early").status is JobStatus.COMPLETED
    assert parts.job("late").status is JobStatus.QUEUED


def test_a_delivery_that_comes_twice_runs_the_job_once() -> None:
    parts = make_worker()
    parts.queue("j1")
    for _ in range(2):
        assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 204
    assert parts.engine.runs == 1
    assert parts.job("j1").attempt == 1


def test_an_unknown_job_is_acknowledged() -> None:
    parts = make_worker()
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "nobody"})).status_code == 204
    assert parts.engine.runs == 0


def test_a_job_under_a_live_lease_is_left_alone() -> None:
    parts = make_worker()
    running = a_running_job(parts.store)
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 204
    assert parts.job("j1") == running.job


def test_a_failing_job_is_acknowledged() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.engine.script = raising(RuntimeError("secret path /srv/x"))
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 204
    job = parts.job("j1")
    assert job.error_code is ErrorCode.ENGINE_ERROR
    assert "secret" not in (job.error_message or "")


DEEP = b"[" * 30_000 + b"]" * 30_000
MALFORMED = {
    "empty": b"",
    "blank": b"   ",
    "not JSON": b"hello",
    "half JSON": b'{"jobId": "j1"',
    "not UTF-8": b"\xff\xfe\x00",
    "lone surrogate": b'{"jobId": "\\ud800"}',
    "null": b"null",
    "a number": b"12",
    "a huge number": b"1" * 10_000,
    "a list": b'["j1"]',
    "a string": b'"j1"',
    "deeply nested": DEEP,
    "deeply nested inside": b'{"message": ' + DEEP + b"}",
    "too long": b'{"jobId": "j1", "x": "' + b"x" * 100_000 + b'"}',
    "no job": b"{}",
    "job is a number": b'{"jobId": 5}',
    "job is null": b'{"jobId": null}',
    "job is a path": b'{"jobId": "../../etc/passwd"}',
    "job is long": b'{"jobId": "' + b"a" * 129 + b'"}',
    "job ends in a newline": b'{"jobId": "j1\\n"}',
    "reserved id": b'{"jobId": "__x__"}',
    "message is a list": b'{"message": ["j1"]}',
    "message is a string": b'{"message": "j1"}',
    "message is empty": b'{"message": {}}',
    "data is a number": b'{"message": {"data": 7}}',
    "data is null": b'{"message": {"data": null}}',
    "data is empty": b'{"message": {"data": ""}}',
    "data is not base64": b'{"message": {"data": "%%%"}}',
    "data is not ASCII": '{"message": {"data": "é"}}'.encode(),
    "data is not JSON": b'{"message": {"data": "aGVsbG8="}}',
    "data is not UTF-8": b'{"message": {"data": "//79"}}',
    "data is a list": b'{"message": {"data": "WyJqMSJd"}}',
    "data has no job": b'{"message": {"data": "e30="}}',
    "attributes are a list": b'{"message": {"attributes": [1], "data": "e30="}}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_push_is_acknowledged_logged_once_and_counted(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = make_worker()
    parts.queue("j1")
    with caplog.at_level(logging.INFO, logger="worker"):
        answer = parts.client.post("/pubsub/push", content=MALFORMED[name])
    assert answer.status_code == 204
    lines = [record for record in caplog.records if record.name.startswith("worker")]
    assert [vars(line)["event"] for line in lines] == ["push_malformed"]
    assert parts.metric('backtest_pushes_total{outcome="malformed"}') == 1
    assert parts.job("j1").status is JobStatus.QUEUED


def test_strange_attributes_do_not_matter() -> None:
    parts = make_worker()
    parts.queue("j1")
    body = wrapped({"jobId": "j1"})
    for attributes in (None, 5, [], {"traceparent": 7}):
        body["message"]["attributes"] = attributes
        assert parts.client.post("/pubsub/push", json=body).status_code == 204
    assert parts.job("j1").status is JobStatus.COMPLETED


@pytest.mark.parametrize("call", ["get", "commit"])
def test_a_store_outage_is_503(call: str) -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    parts.store.fail(call)
    answer = parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"}))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert parts.metric('backtest_pushes_total{outcome="unavailable"}') == 1


def test_a_job_that_its_store_cannot_hold_is_acknowledged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    parts.store.fail("commit", error=RecordRefused("too large"))
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 204
    assert not parts.job("j1").is_admitted
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events.count("admission_impossible") == 1


def test_an_unexpected_error_before_a_claim_is_503_and_tells_nothing() -> None:
    parts = make_worker()
    parts.store.fail("get", error=ZeroDivisionError("inside"))
    answer = parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"}))
    assert answer.status_code == 503
    assert "inside" not in answer.text


def test_an_unconfirmed_claim_that_did_not_happen_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_worker()
    parts.queue("j1")

    def lost(*_: object) -> None:
        raise OutcomeUnknown("no answer")

    monkeypatch.setattr(parts.store, "take_best", lost)
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 503
    assert parts.job("j1").status is JobStatus.QUEUED


def test_while_shutting_down_pushes_are_503_and_nothing_is_admitted() -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    parts.worker.shutdown.set()
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 503
    assert not parts.job("j1").is_admitted


def test_of_two_simultaneous_pushes_the_second_waits() -> None:
    parts = make_worker()
    parts.queue("j1", place=0)
    parts.queue("j2", place=1)
    at_the_same_time = []
    inside = threading.Semaphore(1)

    def script(*_: object) -> Any:
        at_the_same_time.append(inside.acquire(blocking=False))
        parts.engine.release.wait(PATIENCE_SECONDS)
        inside.release()
        return ScriptedResult()

    parts.engine.script = script
    answers: list[int] = []

    def push(job_id: str) -> None:
        answers.append(
            parts.client.post("/pubsub/push", json=wrapped({"jobId": job_id})).status_code
        )

    with parts.client:
        pushes = [threading.Thread(target=push, args=(job_id,)) for job_id in ("j1", "j2")]
        for thread in pushes:
            thread.start()
        assert parts.engine.entered.wait(PATIENCE_SECONDS)
        assert parts.client.get("/health").status_code == 200
        assert parts.client.get("/ready").status_code == 200
        parts.engine.release.set()
        for thread in pushes:
            thread.join(PATIENCE_SECONDS)
    assert answers == [204, 204]
    assert at_the_same_time == [True, True]
    assert parts.job("j1").status is parts.job("j2").status is JobStatus.COMPLETED


def test_a_shutdown_in_mid_run_gives_the_job_back_and_rings() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.engine.script = parts.engine.until_stopped
    answers: list[int] = []

    def push() -> None:
        answers.append(parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code)

    thread = threading.Thread(target=push)
    thread.start()
    assert parts.engine.entered.wait(PATIENCE_SECONDS)
    parts.worker.shutdown.set()
    thread.join(PATIENCE_SECONDS)
    job = parts.job("j1")
    assert answers == [503]
    assert (job.status, job.interruptions, job.lease) == (JobStatus.QUEUED, 1, None)
    assert [ring.job_id for ring in parts.doorbell.rings] == ["j1"]


def test_the_trace_of_the_message_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    parts = make_worker()
    parts.queue("j1")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    formatter = JsonFormatter("p")
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(formatter.format(record)))

    handler = Keep()
    logging.getLogger("worker").addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, logger="worker"):
            parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"}, traceparent=trace))
    finally:
        logging.getLogger("worker").removeHandler(handler)
    started = next(line for line in lines if line.get("event") == "job_started")
    assert started["jobId"] == "j1"
    assert started["logging.googleapis.com/trace"] == (
        "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    )


def test_a_store_that_stops_answering_at_the_end_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_worker()
    parts.queue("j1")
    monkeypatch.setattr(parts.worker.drain._runner._settling, "_pause", parts.clock.advance)

    def script(*_: object) -> Any:
        parts.store.fail("commit", error=StoreUnavailable("gone"))
        return ScriptedResult()

    parts.engine.script = script
    assert parts.client.post("/pubsub/push", json=wrapped({"jobId": "j1"})).status_code == 503
    assert parts.job("j1").status is JobStatus.RUNNING
