"""A record comes back as it was written."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.jobs import CONFIG, a_job, a_result, a_running_job, an_admitted_job, finish, read
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, JobExists, RecordRefused
from worker.jobs.job import Artifact, Job
from worker.jobs.lease import Lease, ServerTime
from worker.jobs.states import EnumStyle, JobStatus
from worker.ports import JobStore

DATABASES = [
    pytest.param("sqlite"),
    pytest.param("postgresql", marks=pytest.mark.postgres),
]

#: Memory holds any Python object.
OUTSIDE_THIS_PROCESS = [
    *DATABASES,
    pytest.param("firestore", marks=pytest.mark.emulator),
]

MOMENT = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)


def every_field() -> Job:
    return Job(
        job_id="full_Job-1",
        user_id="ann",
        status=JobStatus.RUNNING,
        config_used=CONFIG | {"label": 'größer\n"x"', "maxCycles": None, "n": 0.1, "on": True},
        submitted_at=MOMENT,
        engine_version="1.0.0",
        priority=-3,
        timeout_seconds=60,
        cancel_requested=True,
        started_at=MOMENT + timedelta(seconds=2),
        completed_at=MOMENT + timedelta(seconds=3),
        error_message="Something a person can act on.",
        error_code=ErrorCode.DATA_NOT_FOUND,
        progress=0.625,
        attempt=4,
        lease=Lease(
            lease_id="l1",
            worker_id="w1",
            heartbeat_at=MOMENT + timedelta(seconds=4),
            seconds=90,
            expires_at=MOMENT + timedelta(seconds=94),
        ),
        interruptions=2,
        worker_losses=1,
        rank=1767614400.123456,
        admitted_at=MOMENT + timedelta(seconds=1),
        lane="push",
        enum_style=EnumStyle.DART,
        bundle_id="b1",
        variants={"first": 0, "last": 99},
        duration_ms=12_345,
        result_digest="sha256:abc",
        expire_at=MOMENT + timedelta(days=30),
    )


def test_every_field_of_a_job_survives(store: JobStore) -> None:
    job = every_field()
    store.create(job)

    seen = read(store, job.job_id).job

    assert seen.created_at is not None
    for name in Job.__slots__:
        if name != "created_at":
            assert getattr(seen, name) == getattr(job, name), name


def test_a_bare_job_comes_back_with_the_defaults(store: JobStore) -> None:
    store.create(Job(job_id="bare"))

    seen = read(store, "bare").job

    assert seen == Job(job_id="bare", created_at=seen.created_at)


def test_create_answers_what_get_reads(store: JobStore) -> None:
    created = store.create(an_admitted_job("j1"))

    seen = read(store, "j1")

    assert (seen.job, seen.version) == (created.job, created.version)


def test_a_local_time_written_as_text_stays_text(store: JobStore) -> None:
    store.create(a_job("j1", submitted_at="2026-01-05T12:00:00.000"))

    assert read(store, "j1").job.submitted_at == "2026-01-05T12:00:00.000"


def test_an_empty_config_is_kept(store: JobStore) -> None:
    store.create(a_job("j1", config_used={}))

    seen = read(store, "j1").job

    assert (seen.config_used, seen.defects) == ({}, ())


def test_the_store_says_when_a_job_was_created(store: JobStore) -> None:
    first = store.create(a_job("j1"))
    second = store.create(a_job("j2"))

    assert first.job.created_at is not None
    assert second.job.created_at is not None
    assert first.job.created_at < second.job.created_at
    assert first.job.created_at <= first.read_at <= read(store, "j1").read_at


def test_later_changes_of_the_callers_config_do_not_reach_the_store(store: JobStore) -> None:
    config = dict(CONFIG)
    store.create(a_job("j1", config_used=config))
    config["symbol"] = "QQQ"

    assert read(store, "j1").job.config_used["symbol"] == "SPY"


def test_an_unknown_id_is_nobody(store: JobStore) -> None:
    assert store.get("nobody") is None
    assert store.result("nobody") is None


@pytest.mark.parametrize("bad", ["", "a/b", "a b", "ü", "x" * 129, "..", "__all__", "a\n"])
def test_an_id_that_no_job_may_bear_is_unknown_and_refused(store: JobStore, bad: str) -> None:
    assert store.get(bad) is None
    assert store.result(bad) is None
    with pytest.raises(RecordRefused):
        store.create(a_job(bad))


def test_a_second_job_with_the_same_id_is_refused(store: JobStore) -> None:
    store.create(a_job("j1", user_id="ann"))

    with pytest.raises(JobExists):
        store.create(a_job("j1", user_id="bob"))

    assert read(store, "j1").job.user_id == "ann"


def test_a_config_that_is_no_json_is_kept_with_a_note(store: JobStore) -> None:
    """Whether the store holds the NaN or a null: the job says where it is, or still shows it."""
    store.create(a_job("j1", config_used=CONFIG | {"pricePath": [1.0, float("nan")]}))

    seen = read(store, "j1").job

    shown = seen.config_used["pricePath"][1]
    assert shown is None or shown != shown
    if shown is None:
        assert seen.defects == ("configUsed.pricePath[1]: expected a finite number, got nan",)


@pytest.mark.parametrize("store", OUTSIDE_THIS_PROCESS, indirect=True)
@pytest.mark.parametrize("values", [{"user_id": "a\ud800b"}, {"priority": 10**30}])
def test_a_job_that_no_store_can_hold_is_refused(
    store: JobStore, values: dict[str, object]
) -> None:
    with pytest.raises(RecordRefused):
        store.create(a_job("j1", **values))

    assert store.get("j1") is None


@pytest.mark.parametrize("store", DATABASES, indirect=True)
def test_a_message_that_quotes_unstorable_text_is_still_written(store: JobStore) -> None:
    """Otherwise a job with a strange key in its config could never be failed for it."""
    seen = store.create(a_job("j1"))

    store.commit(
        seen,
        transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, "unknown key 'a\x00b\ud800c'"),
    )

    assert read(store, "j1").job.error_message == "unknown key 'a\ufffdb?c'"


def test_every_field_of_a_result_survives(store: JobStore) -> None:
    running = a_running_job(store)
    artifacts = {"equityCurve": Artifact(uri="gs://b/j1/1/equityCurve", rows=9, sha256="ab")}
    finish(store, running, artifacts=artifacts, expire_at=MOMENT)

    result = store.result("j1")

    assert result is not None
    expected = a_result("j1", artifacts=artifacts, expire_at=MOMENT, created_at=result.created_at)
    assert result == expected
    assert not isinstance(result.created_at, ServerTime)
    assert result.created_at <= read(store, "j1").read_at


def test_a_store_that_answers_answers_a_ping(store: JobStore) -> None:
    store.ping()
