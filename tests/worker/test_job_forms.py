from datetime import UTC, datetime, timedelta, timezone

from worker.entrypoints.job_forms import JobForm, JobSummary, result_json, rfc3339
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Artifact, Job, ResultRecord
from worker.jobs.lease import Lease
from worker.jobs.states import JobStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB = Job(
    job_id="job-1",
    user_id="alice",
    status=JobStatus.FAILED,
    config_used={
        "strategyId": "wheel",
        "symbol": "SPY",
        "label": "mine",
        "startDate": 5,
        "pricePath": [1.0, 2.0],
    },
    submitted_at="2026-03-01T13:00:00.000",
    admitted_at=NOON,
    started_at=NOON,
    completed_at=NOON + timedelta(seconds=1.5),
    error_code=ErrorCode.TIMEOUT,
    error_message="Too slow.",
    engine_version="1.0.0",
    priority=3,
    timeout_seconds=60,
    progress=0.25,
    attempt=2,
    rank=7.0,
    lane="push",
    lease=Lease(lease_id="secret", worker_id="w", heartbeat_at=NOON, seconds=90),
)


def test_times_are_utc_with_a_z() -> None:
    paris = timezone(timedelta(hours=1))
    assert rfc3339(datetime(2026, 3, 1, 13, tzinfo=paris)) == "2026-03-01T12:00:00Z"


def test_a_job_in_full() -> None:
    assert JobForm.of(JOB).to_json() == {
        "jobId": "job-1",
        "userId": "alice",
        "status": "failed",
        "submittedAt": "2026-03-01T13:00:00.000",
        "admittedAt": "2026-03-01T12:00:00Z",
        "startedAt": "2026-03-01T12:00:00Z",
        "completedAt": "2026-03-01T12:00:01.500000Z",
        "progress": 0.25,
        "engineVersion": "1.0.0",
        "errorCode": "TIMEOUT",
        "errorMessage": "Too slow.",
        "priority": 3,
        "timeoutSeconds": 60,
        "cancelRequested": False,
        "attempt": 2,
        "interruptions": 0,
        "workerLosses": 0,
        "durationMs": None,
        "resultDigest": None,
        "expireAt": None,
        "configUsed": JOB.config_used,
    }


def test_a_submission_time_from_the_store_is_rfc_3339_too() -> None:
    form = JobForm.of(Job(job_id="job-1", submitted_at=NOON)).to_json()
    assert form["submittedAt"] == "2026-03-01T12:00:00Z"


def test_a_list_shows_the_config_in_a_few_words_only() -> None:
    summary = JobSummary.of(JOB).model_dump(mode="json", by_alias=True)

    assert (summary["strategyId"], summary["symbol"], summary["label"]) == ("wheel", "SPY", "mine")
    assert summary["startDate"] is None
    assert "configUsed" not in summary
    assert "pricePath" not in summary


def test_a_job_of_which_nothing_is_known_has_a_form() -> None:
    form = JobForm.of(Job(job_id="job-1")).to_json()
    assert (form["status"], form["userId"], form["configUsed"]) == ("queued", None, {})


def test_a_result_names_its_complete_series() -> None:
    record = ResultRecord(
        job_id="job-1",
        user_id="alice",
        engine_version="1.0.0",
        result_digest="sha256:1",
        summary_digest="sha256:2",
        backtest_result={"totalReturn": 0.5},
        artifacts={"trades": Artifact(uri="file:///t.parquet", rows=3, sha256="ab")},
        created_at=NOON,
    )
    assert result_json(record) == {
        "jobId": "job-1",
        "userId": "alice",
        "createdAt": "2026-03-01T12:00:00Z",
        "engineVersion": "1.0.0",
        "resultDigest": "sha256:1",
        "summaryDigest": "sha256:2",
        "backtestResult": {"totalReturn": 0.5},
        "artifacts": {"trades": {"uri": "file:///t.parquet", "rows": 3, "sha256": "ab"}},
    }
