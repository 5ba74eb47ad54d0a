"""A user writes a job, and a result comes back: everything between the two is real."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions

import engine
from tests.support.stack import Stack, eventually
from tests.support.waves import CROSSOVER, PRICES, wave
from worker.adapters.candle_files import CandleFiles

pytestmark = pytest.mark.emulator

WHEEL: dict[str, Any] = {
    "strategyId": "wheel",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2025-12-31",
    "startingCapital": 100_000,
    "pricePath": PRICES,
    "parameters": {"put": {"moneyness": 0.0}, "call": {"moneyness": 0.02}},
}


def test_a_job_becomes_a_result_that_its_owner_reads(stack: Stack) -> None:
    alice, bob = stack.user("alice"), stack.user("bob")
    job_id = alice.submit(WHEEL)

    job = alice.wait_for_end(job_id)

    assert job["status"] == "completed", job.get("errorMessage")
    assert (job["attempt"], job["progress"], job.get("lease")) == (1, 1.0, None)
    assert job["engineVersion"] == engine.ENGINE_VERSION
    assert job["startedAt"] <= job["completedAt"]
    assert job["errorMessage"] is None
    result = alice.result(job_id)
    assert result is not None
    assert result["userId"] == "alice"
    assert result["backtestResult"]["configUsed"]["strategyId"] == "wheel"
    assert result["backtestResult"]["cyclesCompleted"] > 0
    with pytest.raises(exceptions.PermissionDenied):
        bob.result(job_id)
    with pytest.raises(exceptions.PermissionDenied):
        bob.job(job_id)


def test_the_numbers_are_the_engines_own(stack: Stack) -> None:
    alice = stack.user("alice")
    job_id = alice.submit(WHEEL)

    job = alice.wait_for_end(job_id)
    result = alice.result(job_id)

    here = engine.run_backtest(engine.parse_config(WHEEL))
    assert result is not None
    assert job["resultDigest"] == result["resultDigest"] == here.result_digest
    assert result["summaryDigest"] == here.summary_digest
    assert result["backtestResult"]["totalReturn"] == here.to_document()["totalReturn"]


def test_candles_come_from_the_servers_side(stack: Stack) -> None:
    candles = wave("WAVE")
    CandleFiles(stack.candles).replace(candles)
    alice = stack.user("alice")

    job_id = alice.submit(CROSSOVER)

    job = alice.wait_for_end(job_id)
    assert job["status"] == "completed", job.get("errorMessage")
    result = alice.result(job_id)
    assert result is not None
    used = engine.run_backtest(engine.parse_config(CROSSOVER), candles).to_document()
    assert result["backtestResult"]["dataFingerprint"] == used["dataFingerprint"]
    assert result["backtestResult"]["trades"]


def test_a_dart_client_is_answered_in_its_own_words(stack: Stack) -> None:
    alice = stack.user("alice")
    job_id = alice.submit(
        WHEEL,
        status="CloudBacktestStatus.queued",
        submittedAt=datetime.now().isoformat(),  # noqa: DTZ005 - such clients write local time
        startedAt=None,
        completedAt=None,
        errorMessage=None,
        progress=0,
        attempt=0,
        cancelRequested=False,
    )

    job = alice.wait_for_end(job_id)

    assert job["status"] == "completed", job.get("errorMessage")
    result = alice.result(job_id)
    assert result is not None
    regimes = {segment["regime"] for segment in result["backtestResult"]["regimeSegments"]}
    assert regimes
    assert all(regime.startswith("MarketRegime.") for regime in regimes)


def test_progress_and_status_only_go_forward_before_a_users_eyes(stack: Stack) -> None:
    alice = stack.user("alice")
    job_id = alice.submit(WHEEL)
    seen: list[tuple[str, float]] = []

    def is_over(job: dict[str, Any]) -> bool:
        seen.append((job["status"], job.get("progress", 0.0)))
        return job["status"] == "completed"

    alice.wait_for(job_id, is_over)

    order = ["queued", "running", "completed"]
    steps = [(order.index(status), progress) for status, progress in seen]
    assert steps == sorted(steps)
    assert steps[-1] == (2, 1.0)


BAD_JOBS: dict[str, tuple[dict[str, Any], str, str]] = {
    "an empty config": ({"configUsed": {}}, "INVALID_CONFIG", "strategyId"),
    "an unknown key": (
        {"configUsed": {**WHEEL, "colour": "red"}},
        "INVALID_CONFIG",
        "colour",
    ),
    "dates the wrong way round": (
        {"configUsed": {**WHEEL, "startDate": "2026-01-01", "pricePath": []}},
        "INVALID_CONFIG",
        "endDate",
    ),
    "a price that is not a number": (
        {"configUsed": {**WHEEL, "pricePath": [100.0, float("nan"), 101.0]}},
        "INVALID_CONFIG",
        "pricePath",
    ),
    "a price of zero": (
        {"configUsed": {**WHEEL, "pricePath": [100.0, 0.0, 101.0]}},
        "INVALID_CONFIG",
        "pricePath",
    ),
    "a price below zero": (
        {"configUsed": {**WHEEL, "pricePath": [100.0, -1.0, 101.0]}},
        "INVALID_CONFIG",
        "pricePath",
    ),
    "an engine nobody runs": (
        {"engineVersion": "9.9.9"},
        "UNSUPPORTED_ENGINE_VERSION",
        engine.ENGINE_VERSION,
    ),
    "more time than there is": ({"timeoutSeconds": 86_400}, "INVALID_CONFIG", "timeoutSeconds"),
}


@pytest.mark.parametrize("case", BAD_JOBS)
def test_a_bad_job_fails_before_it_costs_a_worker(stack: Stack, case: str) -> None:
    fields, code, word = BAD_JOBS[case]
    alice = stack.user("alice")
    job_id = alice.submit(**{"config": WHEEL, **fields})

    job = alice.wait_for_end(job_id)

    assert (job["status"], job["errorCode"]) == ("failed", code)
    assert word in job["errorMessage"]
    assert job["completedAt"] is not None
    assert job.get("attempt", 0) == 0
    assert alice.result(job_id) is None


MISSHAPEN_JOBS: dict[str, tuple[dict[str, Any], str]] = {
    "no user": ({"userId": None}, "MISSING_USER"),
    "a user that is a number": ({"userId": 7}, "MISSING_USER"),
    "a config that is text": ({"configUsed": "{}"}, "INVALID_CONFIG"),
    "no config": ({"configUsed": None}, "INVALID_CONFIG"),
    "a priority that is text": ({"priority": "high"}, "INVALID_CONFIG"),
    "another job's id": ({"jobId": "another"}, "INVALID_CONFIG"),
    "a status nobody knows": ({"status": "paused"}, "INVALID_CONFIG"),
    "thousands of keys": (
        {"configUsed": {f"key{number}": number for number in range(20_000)}},
        "INVALID_CONFIG",
    ),
}


@pytest.mark.parametrize("case", MISSHAPEN_JOBS)
def test_a_document_that_no_client_may_write_fails_and_hurts_nobody(
    stack: Stack, case: str
) -> None:
    fields, code = MISSHAPEN_JOBS[case]
    job_id = f"misshapen-{list(MISSHAPEN_JOBS).index(case)}"
    reference = stack.admin.document(f"backtestJobs/{job_id}")
    job = {"jobId": job_id, "userId": "alice", "status": "queued", "configUsed": WHEEL, **fields}
    reference.create(job)

    eventually(lambda: reference.get(["status"]).get("status") == "failed", case)

    after = reference.get().to_dict()
    assert after["errorCode"] == code
    assert after["errorMessage"]
    untouched = set(job) - {"status", "priority"}
    assert {name: after[name] for name in untouched} == {name: job[name] for name in untouched}


def test_missing_candles_say_what_is_missing(stack: Stack) -> None:
    alice = stack.user("alice")
    job_id = alice.submit({**CROSSOVER, "symbol": "NOWHERE"})

    job = alice.wait_for_end(job_id)

    assert (job["status"], job["errorCode"]) == ("failed", "DATA_NOT_FOUND")
    assert "NOWHERE" in job["errorMessage"]


def test_a_message_delivered_again_changes_nothing(stack: Stack) -> None:
    alice = stack.user("alice")
    before = stack.pushes("done")
    job_id = alice.submit(WHEEL)
    message = json.dumps({"jobId": job_id}).encode()
    stack.ring(message)
    stack.ring(message)
    alice.wait_for_end(job_id)
    job = stack.admin.document(f"backtestJobs/{job_id}").get()
    result = stack.admin.document(f"backtestResults/{job_id}").get()

    stack.ring(message)
    eventually(lambda: stack.pushes("done") >= before + 4, "all four rings are answered")

    again = stack.admin.document(f"backtestJobs/{job_id}").get()
    assert again.get("attempt") == 1
    assert again.update_time == job.update_time
    unchanged = stack.admin.document(f"backtestResults/{job_id}").get()
    assert unchanged.update_time == result.update_time


def test_an_event_delivered_again_changes_nothing(stack: Stack) -> None:
    """Deleting and creating the document anew is the only way to make the emulator repeat one."""
    alice = stack.user("alice")
    answered = len(stack.event_answers)
    job_id = alice.submit(WHEEL)
    alice.wait_for_end(job_id)
    reference = stack.admin.document(f"backtestJobs/{job_id}")
    ended = reference.get().to_dict()
    reference.delete()
    reference.create(ended)
    eventually(lambda: len(stack.event_answers) >= answered + 2, "both events are answered")

    assert stack.event_answers[answered:] == [204] * (len(stack.event_answers) - answered)
    assert reference.get().to_dict() == ended


def test_malformed_messages_are_counted_and_do_not_stop_the_next_job(stack: Stack) -> None:
    before = stack.pushes("malformed")
    garbage = [b"hello", b"{}", b"[]", b'{"jobId": 7}', b'{"jobId": "../x"}', b"\xff\x00"]
    for data in garbage:
        stack.ring(data)
    alice = stack.user("alice")
    job_id = alice.submit(WHEEL)

    assert alice.wait_for_end(job_id)["status"] == "completed"
    eventually(lambda: stack.pushes("malformed") >= before + len(garbage), "all are counted")
    assert stack.pushes("malformed") == before + len(garbage)


def test_a_ring_for_a_job_that_does_not_exist_is_answered(stack: Stack) -> None:
    before = stack.pushes("done")
    stack.ring(b'{"jobId": "never-written"}')
    eventually(lambda: stack.pushes("done") > before, "the ring is answered")


def test_a_failed_job_is_replayed_by_hand(stack: Stack) -> None:
    alice = stack.user("alice")
    config = {**CROSSOVER, "symbol": "LATER"}
    job_id = alice.submit(config)
    failed = alice.wait_for_end(job_id)
    assert failed["errorCode"] == "DATA_NOT_FOUND"
    CandleFiles(stack.candles).replace(wave("LATER"))

    answer = stack.http.post(f"{stack.worker_url}/run", json={"jobId": job_id})

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "completed"
    job = alice.job(job_id)
    assert (job["status"], job["errorCode"], job["errorMessage"]) == ("completed", None, None)
    assert job["attempt"] == 2
    assert alice.result(job_id) is not None


def test_a_completed_job_can_be_checked_but_not_run_again(stack: Stack) -> None:
    alice = stack.user("alice")
    job_id = alice.submit(WHEEL)
    alice.wait_for_end(job_id)
    path = f"{stack.worker_url}/run"

    assert stack.http.post(path, json={"jobId": job_id}).status_code == 409
    compared = stack.http.post(path, json={"jobId": job_id, "force": True})
    assert compared.json() == {"digestMatches": True, "dataMatches": True}


def test_over_http_the_road_is_the_same(stack: Stack) -> None:
    path = f"{stack.control_url}/v1/backtests"
    created = stack.http.post(
        path, json={"configUsed": WHEEL}, headers={"Idempotency-Key": "whole-road"}
    )
    assert created.status_code == 201, created.text
    location = f"{stack.control_url}{created.headers['location']}"
    eventually(
        lambda: stack.http.get(location).json()["status"] == "completed", "the job completes"
    )

    again = stack.http.post(
        path, json={"configUsed": WHEEL}, headers={"Idempotency-Key": "whole-road"}
    )
    assert again.json()["jobId"] == created.json()["jobId"]
    assert stack.http.get(location).json()["attempt"] == 1
    result = stack.http.get(f"{location}/result").json()
    assert result["backtestResult"]["totalReturn"] is not None
    listed = stack.http.get(path).json()["backtests"]
    assert created.json()["jobId"] in {job["jobId"] for job in listed}


def test_a_queued_job_that_its_owner_cancels_never_runs(stack: Stack) -> None:
    alice = stack.user("alice")
    reference = stack.admin.document("backtestJobs/cancelled-before")
    now = datetime.now(UTC)
    reference.create(
        {
            "jobId": "cancelled-before",
            "userId": "alice",
            "status": "queued",
            "configUsed": WHEEL,
            "engineVersion": "1.0.0",
            "lane": "push",
            "rank": (now + timedelta(days=1)).timestamp(),
            "admittedAt": now,
            "cancelRequested": True,
        }
    )
    stack.ring(b'{"jobId": "cancelled-before"}')

    job = alice.wait_for_end("cancelled-before")

    assert (job["status"], job["errorCode"]) == ("failed", "CANCELLED")
    assert job.get("attempt", 0) == 0


def test_a_job_written_while_no_worker_is_there_runs_when_one_comes(stack: Stack) -> None:
    alice = stack.user("alice")
    assert stack.stop("serve") == 0
    try:
        job_id = alice.submit(WHEEL)
        waiting = alice.wait_for(job_id, lambda job: job.get("rank") is not None)
        assert waiting["status"] == "queued"
    finally:
        stack.start("serve")

    assert alice.wait_for_end(job_id)["status"] == "completed"


def test_a_job_written_while_the_control_service_is_away_is_admitted_later(stack: Stack) -> None:
    alice = stack.user("alice")
    answered, unheard = len(stack.event_answers), stack.unheard_events
    assert stack.stop("control") == 0
    try:
        job_id = alice.submit(WHEEL)
        eventually(lambda: stack.unheard_events > unheard, "nobody answers the event")
    finally:
        stack.start("control")

    assert alice.wait_for_end(job_id)["status"] == "completed"
    assert set(stack.event_answers[answered:]) == {204}
