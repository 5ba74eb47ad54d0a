"""``POST /run`` runs one job and says how it ended; ``POST /run-backtest`` needs no job."""

from typing import Any

import pytest

import engine
from tests.support.bundles import an_expanded_bundle, claim_chunk, finish_chunk
from tests.support.jobs import CONFIG, a_job, a_running_job, finish
from tests.support.workers import (
    ScriptedResult,
    WorkerParts,
    a_document,
    make_worker,
    raising,
)
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.jobs.job import JobChange
from worker.jobs.states import JobStatus

JSON = {"Content-Type": "application/json"}


def run(parts: WorkerParts, job_id: str, **more: Any) -> Any:
    return parts.client.post("/run", json={"jobId": job_id, **more})


def failed(parts: WorkerParts, job_id: str = "j1", **values: Any) -> None:
    seen = parts.store.create(a_job(job_id, **values))
    parts.store.commit(seen, transitions.reject(seen.job, ErrorCode.DATA_NOT_FOUND, "no candles"))


def test_a_queued_job_is_run_and_answered() -> None:
    parts = make_worker()
    parts.queue("j1")
    answer = run(parts, "j1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"
    assert answer.json()["jobId"] == "j1"
    assert answer.json()["resultDigest"] == "sha256:result"
    assert parts.job("j1").status is JobStatus.COMPLETED


def test_no_content_type_is_needed() -> None:
    parts = make_worker()
    parts.queue("j1")
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = parts.client.post("/run", content=b'{"jobId": "j1"}', headers=headers)
    assert answer.status_code == 200


def test_exactly_that_job_is_run() -> None:
    parts = make_worker()
    parts.queue("first", place=0)
    parts.queue("second", place=9)
    run(parts, "second")
    assert parts.job("first").status is JobStatus.QUEUED
    assert parts.job("second").status is JobStatus.COMPLETED


def test_a_job_is_admitted_if_need_be() -> None:
    parts = make_worker()
    parts.store.create(a_job("j1"))
    assert run(parts, "j1").json()["status"] == "completed"
    assert parts.job("j1").is_admitted


def test_a_bad_job_ends_with_200_and_its_code() -> None:
    parts = make_worker()
    parts.store.create(a_job("j1", config_used={"strategyId": "magic"}))
    answer = run(parts, "j1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert answer.json()["errorCode"] == "INVALID_CONFIG"
    assert "strategyId" in answer.json()["errorMessage"]
    assert parts.engine.runs == 0


def test_a_run_that_fails_is_200() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.engine.script = raising(engine.DataError("high below low", 3))
    answer = run(parts, "j1")
    assert answer.status_code == 200
    assert answer.json()["errorCode"] == "DATA_INVALID"


def test_a_failed_job_is_replayed() -> None:
    parts = make_worker()
    failed(parts)
    answer = run(parts, "j1")
    assert answer.json()["status"] == "completed"
    assert answer.json()["errorCode"] is None
    assert parts.job("j1").attempt == 1


def test_a_cancelled_job_is_replayed_too() -> None:
    parts = make_worker()
    failed(parts, cancel_requested=True)
    assert run(parts, "j1").json()["status"] == "completed"
    assert parts.job("j1").cancel_requested is False


def test_a_failed_job_that_is_still_wrong_fails_again() -> None:
    parts = make_worker()
    failed(parts, engine_version="9.9.9")
    answer = run(parts, "j1")
    assert answer.status_code == 200
    assert answer.json()["errorCode"] == "UNSUPPORTED_ENGINE_VERSION"
    assert "1.0.0" in answer.json()["errorMessage"]


def test_an_unknown_job_is_404() -> None:
    answer = run(make_worker(), "nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_job_under_a_live_lease_is_409_and_untouched() -> None:
    parts = make_worker()
    running = a_running_job(parts.store)
    assert run(parts, "j1").status_code == 409
    assert parts.job("j1") == running.job


def test_a_job_whose_worker_is_gone_is_taken_over() -> None:
    parts = make_worker()
    a_running_job(parts.store, seconds=90)
    parts.clock.advance(91)
    assert run(parts, "j1").json()["status"] == "completed"
    job = parts.job("j1")
    assert (job.attempt, job.worker_losses) == (2, 1)


def test_a_cancelled_job_whose_worker_is_gone_ends_cancelled() -> None:
    parts = make_worker()
    running = a_running_job(parts.store)
    change = transitions.request_cancel(running.job)
    assert change is not None
    parts.store.commit(running, change)
    parts.clock.advance(91)
    assert run(parts, "j1").json()["errorCode"] == "CANCELLED"
    assert parts.engine.runs == 0


def test_a_completed_job_without_force_is_409() -> None:
    parts = make_worker()
    finish(parts.store, a_running_job(parts.store))
    assert run(parts, "j1").status_code == 409
    assert parts.engine.runs == 0


def test_a_job_of_another_engine_version_is_409() -> None:
    parts = make_worker(engine_versions="1.0.0,2.0.0")
    parts.queue("j1", engine_version="2.0.0")
    answer = run(parts, "j1")
    assert answer.status_code == 409
    assert "2.0.0" in answer.json()["detail"]
    assert parts.job("j1").status is JobStatus.QUEUED


@pytest.mark.parametrize(
    ("digest", "fingerprint", "expected"),
    [
        ("sha256:1", "sha256:data", (True, True)),
        ("sha256:other", "sha256:data", (False, True)),
        ("sha256:other", "sha256:new candles", (False, False)),
    ],
)
def test_force_compares_and_leaves_the_result_alone(
    digest: str, fingerprint: str, expected: tuple[bool, bool]
) -> None:
    parts = make_worker()
    finish(parts.store, a_running_job(parts.store), backtest_result=a_document())
    before = (parts.job("j1"), parts.store.result("j1"))
    parts.engine.script = lambda *_: ScriptedResult(
        a_document(dataFingerprint=fingerprint), result_digest=digest
    )
    answer = run(parts, "j1", force=True)
    assert answer.status_code == 200
    assert answer.json() == {"digestMatches": expected[0], "dataMatches": expected[1]}
    assert (parts.job("j1"), parts.store.result("j1")) == before


def test_force_does_not_compare_with_what_another_engine_version_gave() -> None:
    parts = make_worker()
    done = finish(parts.store, a_running_job(parts.store))
    parts.store.commit(done, JobChange(engine_version="0.9.0"))
    answer = run(parts, "j1", force=True)
    assert answer.status_code == 409
    assert answer.json()["errorCode"] == "UNSUPPORTED_ENGINE_VERSION"
    assert "0.9.0" in answer.json()["detail"]
    assert engine.ENGINE_VERSION in answer.json()["detail"]
    assert parts.engine.runs == 0


def test_force_does_not_compare_a_part_of_a_bundle() -> None:
    parts = make_worker()
    an_expanded_bundle(parts.store)
    ended = finish_chunk(parts.store, claim_chunk(parts.store), completed=2, failed=0)
    answer = run(parts, ended.job.job_id, force=True)
    assert answer.status_code == 409
    assert "part of bundle b1" in answer.json()["detail"]
    assert parts.engine.runs == 0


def test_force_says_why_there_is_nothing_to_compare() -> None:
    parts = make_worker()
    finish(parts.store, a_running_job(parts.store))
    parts.engine.script = raising(engine.DataError("no bars", None))
    answer = run(parts, "j1", force=True).json()
    assert (answer["digestMatches"], answer["dataMatches"]) == (False, False)
    assert "no bars" in answer["problem"]


def test_force_on_a_queued_job_just_runs_it() -> None:
    parts = make_worker()
    parts.queue("j1")
    assert run(parts, "j1", force=True).json()["status"] == "completed"


def test_force_has_the_jobs_time_and_no_more() -> None:
    parts = make_worker()
    finish(parts.store, a_running_job(parts.store))
    parts.engine.script = raising(engine.Stopped())
    answer = run(parts, "j1", force=True)
    assert (answer.status_code, answer.json()["errorCode"]) == (504, "TIMEOUT")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no",
        b"[]",
        b"{}",
        b'{"jobId": 5}',
        b'{"jobId": ""}',
        b'{"jobId": "a/b"}',
        b'{"jobId": "__x__"}',
        b'{"jobId": "j1", "force": "yes"}',
        b'{"jobId": "j1", "farce": true}',
        b"[" * 30_000,
        b"\xff",
    ],
)
def test_a_malformed_request_is_422(body: bytes) -> None:
    parts = make_worker()
    parts.queue("j1")
    answer = parts.client.post("/run", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert parts.engine.runs == 0


def test_a_malformed_request_names_the_field() -> None:
    answer = make_worker().client.post("/run", json={"jobId": "j1", "force": "yes"})
    assert [error["path"] for error in answer.json()["errors"]] == ["force"]


def test_a_body_that_is_too_long_is_413() -> None:
    answer = make_worker().client.post("/run", content=b" " * (4 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("call", ["get", "commit"])
def test_a_store_outage_is_503(call: str) -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.store.fail(call)
    answer = run(parts, "j1")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


def test_while_shutting_down_it_is_503() -> None:
    parts = make_worker()
    parts.queue("j1")
    parts.worker.shutdown.set()
    assert run(parts, "j1").status_code == 503
    assert parts.job("j1").status is JobStatus.QUEUED


def test_a_shutdown_in_mid_run_is_503_and_requeues() -> None:
    parts = make_worker()
    parts.queue("j1")

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.worker.shutdown.set()
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    assert run(parts, "j1").status_code == 503
    assert parts.job("j1").status is JobStatus.QUEUED
    assert [ring.job_id for ring in parts.doorbell.rings] == ["j1"]


def test_losing_the_lease_in_mid_run_is_409() -> None:
    parts = make_worker()
    parts.queue("j1")

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.clock.advance(200)
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    assert run(parts, "j1").status_code == 409
    assert parts.store.result("j1") is None


def test_run_backtest_answers_with_the_result() -> None:
    parts = make_worker()
    answer = parts.client.post("/run-backtest", json={"configUsed": CONFIG})
    assert answer.status_code == 200
    assert answer.json() == {"backtestResult": a_document()}


def test_run_backtest_lists_the_bad_fields() -> None:
    parts = make_worker()
    answer = parts.client.post("/run-backtest", json={"configUsed": {"strategyId": "magic"}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errorCode"] == "INVALID_CONFIG"
    assert answer.json()["errors"] == [
        {"path": "configUsed.strategyId", "expected": "a known strategy", "got": "nothing"}
    ]


@pytest.mark.parametrize("body", [{}, {"configUsed": 5}, {"configUsed": None}, [], "x"])
def test_run_backtest_without_a_config_is_422(body: Any) -> None:
    assert make_worker().client.post("/run-backtest", json=body).status_code == 422


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (engine.DataError("no bars", None), 422, "DATA_INVALID"),
        (engine.Stopped(), 504, "TIMEOUT"),
        (MemoryError(), 500, "ENGINE_ERROR"),
        (ZeroDivisionError("inside"), 500, "ENGINE_ERROR"),
    ],
)
def test_run_backtest_tells_what_went_wrong(error: Exception, status: int, code: str) -> None:
    parts = make_worker()
    parts.engine.script = raising(error)
    answer = parts.client.post("/run-backtest", json={"configUsed": CONFIG})
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
    assert "inside" not in answer.text


def test_run_backtest_stops_for_a_shutdown() -> None:
    parts = make_worker()

    def script(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.worker.shutdown.set()
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = script
    answer = parts.client.post("/run-backtest", json={"configUsed": CONFIG})
    assert answer.status_code == 503
