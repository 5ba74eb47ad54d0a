"""Firestore documents as clients see them, and as clients may have written them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from tests.support.admissions import POLICY, check
from tests.support.jobs import (
    CONFIG,
    WANTED,
    a_job,
    a_lease,
    a_result,
    a_running_job,
    an_admitted_job,
    claim_best,
    finish,
    read,
)
from worker.adapters.firestore import FirestoreJobStore
from worker.jobs import transitions
from worker.jobs.errors import Conflict, ErrorCode, RecordRefused, StoreUnavailable
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import EnumStyle, JobStatus
from worker.services.admission import Admission
from worker.services.claiming import Claiming, LeaseOffice

pytestmark = pytest.mark.emulator

MOMENT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

#: A reference into another project: the library cannot read back what it lets anybody write.
ELSEWHERE = firestore.Client(
    project="elsewhere",
    credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # Google's has no types
).document("a/b")

#: What a client's create looks like, and what admission adds to it.
CLIENTS: dict[str, Any] = {"jobId": "j1", "userId": "ann", "status": "queued", "configUsed": CONFIG}
ADMITTED: dict[str, Any] = {
    "engineVersion": "1.0.0",
    "lane": "push",
    "rank": MOMENT.timestamp(),
    "admittedAt": MOMENT,
}


@pytest.fixture
def client(firestore_project: str) -> Iterator[firestore.Client]:
    """Somebody else who writes to the same database."""
    client = firestore.Client(project=firestore_project)
    yield client
    client.close()  # type: ignore[no-untyped-call]  # Google's has no types


@pytest.fixture
def store(firestore_store: FirestoreJobStore) -> Iterator[FirestoreJobStore]:
    yield firestore_store
    firestore_store.close()


def document(client: firestore.Client, collection: str, job_id: str = "j1") -> dict[str, Any]:
    content: dict[str, Any] | None = client.collection(collection).document(job_id).get().to_dict()
    assert content is not None
    return content


def put(client: firestore.Client, name: str = "j1", **values: Any) -> None:
    client.collection("backtestJobs").document(name).create(CLIENTS | {"jobId": name} | values)


def claim_or_reject(store: FirestoreJobStore) -> Snapshot | None:
    def decide(seen: Snapshot) -> JobChange:
        if seen.job.defects:
            return transitions.reject(
                seen.job, ErrorCode.INVALID_CONFIG, "; ".join(seen.job.defects)
            )
        return transitions.claim(seen.job, lease=a_lease())

    return store.take_best(WANTED, decide)


class TestWhatClientsSee:
    def test_a_new_job(self, store: FirestoreJobStore, client: firestore.Client) -> None:
        store.create(an_admitted_job("j1", submitted_at=MOMENT))

        assert document(client, "backtestJobs") == {
            **CLIENTS,
            **ADMITTED,
            "submittedAt": MOMENT,
            "priority": 0,
            "cancelRequested": False,
            "startedAt": None,
            "completedAt": None,
            "errorMessage": None,
            "progress": 0.0,
            "attempt": 0,
            "interruptions": 0,
            "workerLosses": 0,
        }

    def test_a_job_that_waits_for_admission_has_no_rank_at_all(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        """A null rank would be sorted before every number."""
        store.create(a_job("j1"))

        assert "rank" not in document(client, "backtestJobs")

    def test_a_running_job(self, store: FirestoreJobStore, client: firestore.Client) -> None:
        running = a_running_job(store)

        seen = document(client, "backtestJobs")

        lease = running.job.lease
        assert lease is not None
        assert seen["status"] == "running"
        assert seen["lease"] == {
            "leaseId": lease.lease_id,
            "workerId": "worker-1",
            "heartbeatAt": lease.heartbeat_at,
            "seconds": 90,
            "expiresAt": None,
        }
        assert isinstance(seen["startedAt"], datetime)

    def test_a_completed_job_and_its_result(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        finish(store, a_running_job(store))

        job, result = document(client, "backtestJobs"), document(client, "backtestResults")

        assert (job["status"], job["lease"], job["progress"]) == ("completed", None, 1.0)
        assert isinstance(job["completedAt"], datetime)
        assert (job["durationMs"], job["resultDigest"]) == (1200, "sha256:1")
        assert isinstance(result.pop("createdAt"), datetime)
        assert result == {
            "jobId": "j1",
            "userId": "ann",
            "engineVersion": "1.0.0",
            "resultDigest": "sha256:1",
            "summaryDigest": "sha256:2",
            "backtestResult": a_result("j1").backtest_result,
        }

    def test_a_failed_job(self, store: FirestoreJobStore, client: firestore.Client) -> None:
        running = a_running_job(store)
        store.commit(
            running,
            transitions.fail(
                running.job, running.job.hold(), code=ErrorCode.TIMEOUT, message="Out of time."
            ),
        )

        job = document(client, "backtestJobs")

        assert (job["status"], job["errorCode"]) == ("failed", "TIMEOUT")
        assert job["errorMessage"] == "Out of time."

    def test_fields_of_other_names_stay(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, **ADMITTED, note="mine", nested={"a": [1, 2]})

        claimed = claim_best(store)
        assert claimed is not None
        finish(store, claimed)

        seen = document(client, "backtestJobs")
        assert (seen["note"], seen["nested"]) == ("mine", {"a": [1, 2]})


class TestWhatClientsMayWrite:
    def test_server_fields_may_be_null_or_zero(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        nulls: dict[str, Any] = dict.fromkeys(
            [
                *("startedAt", "completedAt", "errorMessage", "errorCode", "lease", "rank"),
                *("admittedAt", "lane", "enumStyle", "durationMs", "resultDigest", "expireAt"),
                *("timeoutSeconds", "engineVersion", "bundleId", "variants", "priority"),
            ]
        )
        put(client, progress=0, attempt=0, cancelRequested=False, **nulls)

        job = read(store, "j1").job

        assert job.defects == ()
        assert (job.rank, job.attempt, job.progress, job.priority) == (None, 0, 0.0, 0)
        assert not job.cancel_requested
        assert claim_best(store) is None

    @pytest.mark.parametrize(
        ("status", "style"),
        [
            ("queued", EnumStyle.PLAIN),
            ("CloudBacktestStatus.queued", EnumStyle.DART),
            ("Pending", EnumStyle.PLAIN),
        ],
    )
    def test_accepted_spellings_of_queued(
        self, store: FirestoreJobStore, client: firestore.Client, status: str, style: EnumStyle
    ) -> None:
        put(client, status=status)

        job = read(store, "j1").job

        assert (job.status, job.enum_style, job.defects) == (JobStatus.QUEUED, style, ())

    def test_the_style_of_a_client_outlives_the_rewriting_of_its_status(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, status="CloudBacktestStatus.queued")
        seen = read(store, "j1")
        store.commit(
            seen,
            transitions.admit(
                seen.job,
                now=seen.read_at,
                engine_version="1.0.0",
                priority=0,
                lane="push",
                ageing_seconds=3600,
            ),
        )

        assert document(client, "backtestJobs")["status"] == "queued"
        assert read(store, "j1").job.enum_style is EnumStyle.DART
        claimed = claim_best(store)
        assert claimed is not None
        assert claimed.job.enum_style is EnumStyle.DART

    def test_an_id_field_that_differs_is_a_defect(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, "j1", jobId="other")

        job = read(store, "j1").job

        assert job.job_id == "j1"
        assert job.defects == ("jobId: expected the document's id 'j1', got 'other'",)

    @pytest.mark.parametrize(
        ("values", "defect"),
        [
            ({"userId": 7}, "userId: expected a string, got 7"),
            ({"status": "done"}, "status: expected queued, running, completed or failed"),
            ({"status": 3}, "status: expected queued, running, completed or failed, got 3"),
            ({"configUsed": "all of it"}, "configUsed: expected a map, got 'all of it'"),
            ({"configUsed": None}, "configUsed: expected a map (required), got null"),
            ({"configUsed": [1]}, "configUsed: expected a map, got a list"),
            (
                {"configUsed": {"pricePath": [1.0, float("nan")]}},
                "configUsed.pricePath[1]: expected a finite number, got nan",
            ),
            (
                {"configUsed": {"startDate": MOMENT}},
                "configUsed.startDate: expected plain JSON data, got a value of type Datetime",
            ),
            (
                {"configUsed": {"where": firestore.GeoPoint(1.0, 2.0)}},
                "configUsed.where: expected plain JSON data, got a value of type GeoPoint",
            ),
            ({"configUsed": {"raw": b"\x00"}}, "configUsed.raw: expected plain JSON data"),
            (
                {"configUsed": {"symbol": ELSEWHERE}},
                "configUsed: expected plain JSON data, got a map",
            ),
            ({"priority": "high"}, "priority: expected an integer, got 'high'"),
            ({"priority": 0.5}, "priority: expected an integer, got 0.5"),
            ({"priority": True}, "priority: expected an integer, got true"),
            ({"timeoutSeconds": "60"}, "timeoutSeconds: expected an integer, got '60'"),
            ({"submittedAt": 5}, "submittedAt: expected a timestamp or an ISO-8601 string, got 5"),
            ({"submittedAt": "x" * 41}, "submittedAt: expected a timestamp"),
            ({"cancelRequested": "yes"}, "cancelRequested: expected true or false, got 'yes'"),
            ({"engineVersion": 1.0}, "engineVersion: expected a string, got 1.0"),
            ({"progress": float("inf")}, "progress: expected a finite number, got inf"),
            ({"attempt": [1]}, "attempt: expected an integer, got a list"),
            ({"lease": "mine"}, "lease: expected a lease, got 'mine'"),
            ({"lease": {"leaseId": "l1"}}, "lease: expected a lease, got a map"),
            ({"rank": "first"}, "rank: expected a finite number, got 'first'"),
            ({"admittedAt": "today"}, "admittedAt: expected a timestamp, got 'today'"),
            ({"errorCode": "OOPS"}, "errorCode: expected a known code, got 'OOPS'"),
            ({"variants": 9}, "variants: expected a map, got 9"),
        ],
    )
    def test_whatever_is_written_can_be_read_and_is_noted(
        self,
        store: FirestoreJobStore,
        client: firestore.Client,
        values: dict[str, Any],
        defect: str,
    ) -> None:
        put(client, **values)

        seen = read(store, "j1")

        (noted,) = seen.job.defects
        assert noted.startswith(defect)
        rejected = store.commit(seen, transitions.reject(seen.job, ErrorCode.INVALID_CONFIG, noted))
        assert rejected.job.status is JobStatus.FAILED
        assert read(store, "j1").job.status is JobStatus.FAILED

    def test_an_empty_document_can_be_read(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        client.collection("backtestJobs").document("j1").create({})

        job = read(store, "j1").job

        assert (job.user_id, job.status) == (None, JobStatus.QUEUED)
        assert len(job.defects) == 2

    def test_a_huge_map_of_nonsense_gives_a_short_note(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, configUsed={f"key{number}": float("nan") for number in range(20_000)})

        job = read(store, "j1").job

        assert len(job.defects) == 20
        assert len("; ".join(job.defects)) < 2000

    def test_a_text_without_end_gives_a_short_note(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, priority="9" * 500_000)

        (noted,) = read(store, "j1").job.defects

        assert len(noted) < 200


class TestTheQueueAmongBadDocuments:
    @pytest.mark.parametrize(
        "values",
        [
            {"configUsed": {"symbol": ELSEWHERE}},
            {"configUsed": 5},
            {"attempt": "many"},
            {"rank": float("nan")},
        ],
        ids=["undecodable", "no map", "attempt", "NaN rank"],
    )
    def test_a_bad_candidate_is_failed_and_the_next_one_runs(
        self, store: FirestoreJobStore, client: firestore.Client, values: dict[str, Any]
    ) -> None:
        put(client, "bad", **(ADMITTED | {"rank": 1.0} | values))
        put(client, "good", **(ADMITTED | {"rank": 2.0}))

        first, second = claim_or_reject(store), claim_or_reject(store)

        assert first is not None
        assert second is not None
        assert (first.job.job_id, first.job.error_code) == ("bad", ErrorCode.INVALID_CONFIG)
        assert (second.job.job_id, second.job.status) == ("good", JobStatus.RUNNING)
        assert claim_or_reject(store) is None

    def test_a_rank_that_is_no_number_comes_last_and_is_failed(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, "bad", **(ADMITTED | {"rank": "first"}))
        put(client, "good", **ADMITTED)

        first, second = claim_or_reject(store), claim_or_reject(store)

        assert first is not None
        assert second is not None
        assert (first.job.job_id, first.job.status) == ("good", JobStatus.RUNNING)
        assert (second.job.job_id, second.job.status) == ("bad", JobStatus.FAILED)

    def test_a_rank_that_is_null_holds_nobody_up(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        """It stands before every rank that is a number, and is none."""
        put(client, "null", **(ADMITTED | {"rank": None}))
        put(client, "good", **ADMITTED)
        claiming = Claiming(
            store, Admission(store, POLICY, check), LeaseOffice("w", 90).new, WANTED
        )

        first, second = claiming.best(), claiming.best()

        assert first is not None
        assert second is not None
        assert {first.job.job_id, second.job.job_id} == {"good", "null"}
        assert first.job.status is second.job.status is JobStatus.RUNNING

    @pytest.mark.parametrize("status", ["done", "Pending", "QUEUED", "CloudBacktestStatus.queued"])
    def test_only_the_plain_state_is_in_the_queue(
        self, store: FirestoreJobStore, client: firestore.Client, status: str
    ) -> None:
        put(client, **(ADMITTED | {"status": status}))

        assert claim_or_reject(store) is None

    def test_a_bad_document_does_not_hide_the_others_of_its_user(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        put(client, "bad", **(ADMITTED | {"configUsed": {"s": ELSEWHERE}}))
        put(client, "good", **ADMITTED)

        page = store.jobs_of("ann", limit=10)

        assert [job.job_id for job in page.jobs] == ["good", "bad"]
        assert page.jobs[1].defects

    def test_losing_more_candidates_than_a_page_holds_still_finds_the_last_one(
        self, store: FirestoreJobStore, thief_of: Callable[[str], None]
    ) -> None:
        """Others take each candidate between our reading and our claim, except the last."""
        for number in range(45):
            store.create(an_admitted_job(f"j{number:02}", float(number)))
        lost = 0

        def decide(seen: Snapshot) -> JobChange:
            nonlocal lost
            if seen.job.job_id != "j44":
                thief_of(seen.job.job_id)
                lost += 1
            return transitions.claim(seen.job, lease=a_lease("unlucky"))

        taken = store.take_best(WANTED, decide)

        assert taken is not None
        assert taken.job.job_id == "j44"
        assert lost > 40

    @pytest.fixture
    def thief_of(self, store: FirestoreJobStore) -> Callable[[str], None]:
        def steal(job_id: str) -> None:
            seen = read(store, job_id)
            store.commit(seen, transitions.claim(seen.job, lease=a_lease("thief")))

        return steal


class TestLimits:
    def test_a_result_beyond_a_mebibyte_is_refused_and_the_job_still_runs(
        self, store: FirestoreJobStore
    ) -> None:
        running = a_running_job(store)

        with pytest.raises(RecordRefused):
            finish(store, running, backtest_result={"notes": ["x" * 1_100_000]})

        assert read(store, "j1").job.status is JobStatus.RUNNING
        assert store.result("j1") is None

    def test_a_list_in_a_list_is_refused(self, store: FirestoreJobStore) -> None:
        with pytest.raises(RecordRefused):
            store.create(an_admitted_job("j1", config_used={"pricePath": [[1.0]]}))

        assert store.get("j1") is None

    def test_a_deleted_job_conflicts(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        running = a_running_job(store)
        client.collection("backtestJobs").document("j1").delete()

        with pytest.raises(Conflict):
            finish(store, running)

        assert store.result("j1") is None
        assert store.get("j1") is None

    def test_an_imported_result_with_few_fields_can_be_read(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        client.collection("backtestResults").document("old").create(
            {"userId": "ann", "backtestResult": {"totalReturn": 0.1}}
        )

        result = store.result("old")

        assert result is not None
        assert result.backtest_result == {"totalReturn": 0.1}
        assert (result.result_digest, result.artifacts) == ("", {})


def test_a_store_that_does_not_answer_says_so_in_seconds(
    monkeypatch: pytest.MonkeyPatch, firestore_store: FirestoreJobStore
) -> None:
    seen = firestore_store.create(an_admitted_job("j1"))
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    nobody = FirestoreJobStore("test-nobody")
    started = datetime.now(UTC)

    with pytest.raises(StoreUnavailable):
        nobody.ping()
    with pytest.raises(StoreUnavailable):
        nobody.get("j1")
    with pytest.raises(StoreUnavailable):
        nobody.commit(seen, JobChange(progress=0.5))

    assert (datetime.now(UTC) - started).total_seconds() < 20
    nobody.close()
