"""Eventarc's route: what is admitted, rung for, acknowledged and asked for again."""

import logging
from typing import Any

import pytest
from google.events.cloud.firestore import DocumentEventData

from tests.support.bundles import a_bundle, read_bundle
from tests.support.control import CONFIG, Control, make_control
from worker.jobs.bundle import Bundle
from worker.jobs.errors import ErrorCode, OutcomeUnknown, RecordRefused
from worker.jobs.job import Job
from worker.jobs.states import EnumStyle, JobStatus
from worker.ports import Ring

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def control() -> Control:
    return make_control()


def deliver(
    control: Control, path: str = "backtestJobs/job-1", *, kind: str = "created", **headers: str
) -> int:
    """Send an event as Eventarc does; the status of the answer."""
    name = f"projects/demo/databases/(default)/documents/{path}"
    return control.client.post(
        "/events/firestore",
        content=bytes(DocumentEventData.serialize(DocumentEventData(value={"name": name}))),
        headers={
            "ce-specversion": "1.0",
            "ce-id": "event-1",
            "ce-type": f"google.cloud.firestore.document.v1.{kind}",
            "content-type": "application/protobuf",
            **headers,
        },
    ).status_code


def outcomes(control: Control, outcome: str) -> float:
    return control.metric(f'backtest_control_events_total{{outcome="{outcome}"}}')


def new_job(**changes: object) -> Job:
    values: dict[str, Any] = {"job_id": "job-1", "user_id": "alice", "config_used": CONFIG}
    return Job(**(values | changes))


def test_a_new_job_is_admitted_and_rung_for(control: Control) -> None:
    control.store.create(new_job())

    assert deliver(control, traceparent=TRACE) == 204

    job = control.job("job-1")
    assert job.is_admitted
    assert job.engine_version == "1.0.0"
    assert control.doorbell.rings == [
        Ring(job_id="job-1", engine_version="1.0.0", traceparent=TRACE)
    ]
    assert outcomes(control, "rung") == 1


def test_a_dart_clients_job_gets_the_plain_status(control: Control) -> None:
    control.store.create(new_job(enum_style=EnumStyle.DART))
    assert deliver(control) == 204
    assert control.job("job-1").enum_style is EnumStyle.DART


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"config_used": {}}, ErrorCode.INVALID_CONFIG),
        ({"defects": ("priority: expected an integer",)}, ErrorCode.INVALID_CONFIG),
        ({"user_id": None}, ErrorCode.MISSING_USER),
        ({"engine_version": "9.9.9"}, ErrorCode.UNSUPPORTED_ENGINE_VERSION),
    ],
)
def test_a_bad_job_fails_before_it_costs_a_worker(
    control: Control, changes: dict[str, object], code: ErrorCode
) -> None:
    control.store.create(new_job(**changes))

    assert deliver(control) == 204

    job = control.job("job-1")
    assert (job.status, job.error_code) == (JobStatus.FAILED, code)
    assert job.error_message
    assert control.doorbell.rings == []
    assert outcomes(control, "refused") == 1


def test_the_same_event_again_rings_again_and_admits_once(control: Control) -> None:
    control.store.create(new_job())
    deliver(control)
    first = control.job("job-1")
    deliver(control)

    assert control.job("job-1") == first
    assert len(control.doorbell.rings) == 2


def test_an_event_about_a_job_under_way_rings_for_nobody(control: Control) -> None:
    control.store.create(new_job(status=JobStatus.RUNNING, rank=1.0, attempt=1))

    assert deliver(control) == 204
    assert control.doorbell.rings == []
    assert outcomes(control, "under_way") == 1


@pytest.mark.parametrize("path", ["backtestJobs/gone", "backtestJobs/not an id"])
def test_an_event_about_no_job_of_ours_is_acknowledged(control: Control, path: str) -> None:
    assert deliver(control, path) == 204
    assert outcomes(control, "unknown") == 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("backtestResults/job-1", "created"),
        ("backtestJobs/job-1/notes/n", "created"),
        ("backtestJobs/job-1", "updated"),
        ("backtestJobs/job-1", "deleted"),
    ],
)
def test_other_events_are_acknowledged_and_change_nothing(
    control: Control, path: str, kind: str
) -> None:
    control.store.create(new_job())

    assert deliver(control, path, kind=kind) == 204
    assert not control.job("job-1").is_admitted
    assert outcomes(control, "ignored") == 1


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", {}),
        (b"{}", {"content-type": "application/json"}),
        (b"garbage", {"content-type": "application/protobuf"}),
        (b"x" * (4 * 1024 * 1024 + 1), {"content-type": "application/protobuf"}),
    ],
    ids=["empty", "json", "garbage", "huge"],
)
def test_a_malformed_event_is_acknowledged_logged_and_counted(
    control: Control, content: bytes, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "worker"):
        answer = control.client.post(
            "/events/firestore",
            content=content,
            headers={
                "ce-specversion": "1.0",
                "ce-id": "e",
                "ce-type": "google.cloud.firestore.document.v1.created",
                **headers,
            },
        )
    assert answer.status_code == 204
    assert outcomes(control, "malformed") == 1
    assert [record.__dict__["event"] for record in caplog.records] == ["event_malformed"]


@pytest.mark.parametrize("call", ["get", "commit"])
def test_a_store_that_is_away_makes_the_event_come_again(control: Control, call: str) -> None:
    control.store.create(new_job())
    control.store.fail(call)
    assert deliver(control) == 503
    assert control.doorbell.rings == []

    control.store.away.clear()
    assert deliver(control) == 204
    assert len(control.doorbell.rings) == 1
    assert outcomes(control, "store_unavailable") == 1


def test_a_job_that_its_store_cannot_hold_does_not_come_again(control: Control) -> None:
    control.store.create(new_job())
    control.store.fail("commit", error=RecordRefused("too large"))
    assert deliver(control) == 204
    assert control.doorbell.rings == []


def test_an_admission_whose_outcome_is_unknown_comes_again(control: Control) -> None:
    control.store.create(new_job())
    control.store.fail("commit", error=OutcomeUnknown("deadline"))
    assert deliver(control) == 503


def test_a_ring_that_fails_comes_again_and_the_job_stays_admitted(control: Control) -> None:
    control.store.create(new_job())
    control.doorbell.is_down = True
    assert deliver(control) == 503
    admitted = control.job("job-1")
    assert admitted.is_admitted
    assert control.metric("backtest_control_failed_rings_total") == 1

    control.doorbell.is_down = False
    assert deliver(control) == 204
    assert control.job("job-1") == admitted
    assert [ring.job_id for ring in control.doorbell.rings] == ["job-1"]


class TestBundles:
    @pytest.fixture
    def created(self, control: Control) -> Control:
        control.store.create_bundle(a_bundle("sweep-1", base_config=CONFIG))
        return control

    def bundle(self, control: Control) -> Bundle:
        return read_bundle(control.store, "sweep-1").bundle

    def test_a_new_bundle_is_expanded_and_rung_for(self, created: Control) -> None:
        assert deliver(created, "backtestBundles/sweep-1", traceparent=TRACE) == 204
        assert self.bundle(created).status is JobStatus.RUNNING
        (job,) = created.store.chunk_jobs("sweep-1")
        assert created.doorbell.rings == [
            Ring(job_id=job.job_id, engine_version="1.0.0", traceparent=TRACE)
        ]
        assert outcomes(created, "rung") == 1

    def test_the_same_event_again_rings_and_expands_once(self, created: Control) -> None:
        for _ in range(2):
            assert deliver(created, "backtestBundles/sweep-1") == 204
        assert len(created.store.chunk_jobs("sweep-1")) == 1
        assert len(created.doorbell.rings) == 2

    def test_the_event_of_a_chunk_job_rings_for_nobody(self, created: Control) -> None:
        deliver(created, "backtestBundles/sweep-1")
        (job,) = created.store.chunk_jobs("sweep-1")
        assert deliver(created, f"backtestJobs/{job.job_id}") == 204
        assert len(created.doorbell.rings) == 1
        assert outcomes(created, "under_way") == 1

    def test_a_bad_bundle_fails_before_it_costs_a_worker(self, control: Control) -> None:
        control.store.create_bundle(a_bundle("sweep-1", base_config=CONFIG, rank_by="luck"))
        assert deliver(control, "backtestBundles/sweep-1") == 204
        assert self.bundle(control).error_code is ErrorCode.INVALID_CONFIG
        assert control.doorbell.rings == []
        assert outcomes(control, "refused") == 1

    @pytest.mark.parametrize("path", ["backtestBundles/gone", "backtestBundles/not an id"])
    def test_an_event_about_no_bundle_of_ours_is_acknowledged(
        self, control: Control, path: str
    ) -> None:
        assert deliver(control, path) == 204
        assert outcomes(control, "unknown") == 1

    def test_a_change_of_a_bundle_is_no_news(self, created: Control) -> None:
        assert deliver(created, "backtestBundles/sweep-1", kind="updated") == 204
        assert self.bundle(created).status is JobStatus.QUEUED
        assert outcomes(created, "ignored") == 1

    def test_a_ring_that_failed_makes_the_event_come_again(self, created: Control) -> None:
        created.doorbell.is_down = True
        assert deliver(created, "backtestBundles/sweep-1") == 503
        assert self.bundle(created).status is JobStatus.RUNNING
        created.doorbell.is_down = False
        assert deliver(created, "backtestBundles/sweep-1") == 204
        assert len(created.doorbell.rings) == 1

    def test_a_store_that_is_away_makes_the_event_come_again(
        self, created: Control, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(_: str) -> None:
            raise OutcomeUnknown("no answer")

        monkeypatch.setattr(created.store, "get_bundle", away)
        assert deliver(created, "backtestBundles/sweep-1") == 503
        monkeypatch.undo()
        assert self.bundle(created).status is JobStatus.QUEUED
