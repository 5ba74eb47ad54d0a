"""Bundles and chunk jobs as Firestore documents."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from tests.support.bundles import (
    a_bundle,
    an_expanded_bundle,
    claim_chunk,
    finish_chunk,
    read_bundle,
)
from tests.support.jobs import ADMITTED_AT
from worker.adapters.firestore import FirestoreJobStore
from worker.jobs.bundle import BundleChange, BundleOutline
from worker.jobs.errors import RecordRefused
from worker.jobs.states import EnumStyle, JobStatus

pytestmark = pytest.mark.emulator


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


@pytest.fixture
def elsewhere() -> Any:
    """What the library writes and cannot read: a reference into another project."""
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's has no types
    return firestore.Client(project="elsewhere", credentials=credentials).document("a/b")


def document(client: firestore.Client, collection: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] | None = client.collection(collection).document(name).get().to_dict()
    assert content is not None
    return content


class TestChunkJobs:
    """Clients look for documents by ``userId``; chunk jobs and their results have none."""

    def test_a_chunk_job_names_its_owner_where_no_client_looks(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        an_expanded_bundle(store, size=6)
        job_id = store.chunk_jobs("b1")[0].job_id

        stored = document(client, "backtestJobs", job_id)

        assert "userId" not in stored
        assert (stored["ownerId"], stored["bundleId"]) == ("ann", "b1")
        assert stored["variants"] == {"start": 0, "count": 6, "completed": 0, "failed": 0}
        assert stored["configUsed"] == {}

    def test_its_result_holds_artifacts_and_nothing_that_a_client_would_read(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        an_expanded_bundle(store, size=6)
        running = claim_chunk(store)
        finish_chunk(store, running, completed=6, failed=0)

        stored = document(client, "backtestResults", running.job.job_id)

        assert "userId" not in stored
        assert "backtestResult" not in stored
        assert set(stored["artifacts"]) == {"variants"}

    def test_a_chunk_job_is_a_small_document(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        """A thousand of them are created in one commit, of which the emulator takes 4 MiB."""
        an_expanded_bundle(store, "b" * 128, size=6, user_id="u" * 128)
        (job,) = store.chunk_jobs("b" * 128)
        assert len(json.dumps(document(client, "backtestJobs", job.job_id), default=str)) < 1_000


class TestBundles:
    def test_a_bundle_that_anybody_wrote_is_read_with_its_defects(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        client.collection("backtestBundles").document("b1").set(
            {
                "bundleId": "other",
                "userId": 5,
                "status": "waiting",
                "baseConfig": [1],
                "parameterGrid": "all",
                "variants": {"a": float("nan")},
                "rankBy": 1,
                "keepResults": "some",
                "priority": "high",
                "submittedAt": "x" * 41,
                "artifacts": ["no"],
                "variantsArtifact": {"uri": "gs://x"},
            }
        )

        seen = read_bundle(store)

        named = {defect.split(":")[0] for defect in seen.bundle.defects}
        assert named >= {
            *("bundleId", "userId", "status", "baseConfig", "parameterGrid", "variants"),
            *("rankBy", "keepResults", "priority", "submittedAt"),
        }
        assert seen.bundle.status is JobStatus.QUEUED
        assert seen.bundle.artifacts == {}
        assert seen.bundle.variants_artifact is None

    def test_a_bundle_that_cannot_be_decoded_is_still_there(
        self, store: FirestoreJobStore, client: firestore.Client, elsewhere: Any
    ) -> None:
        client.collection("backtestBundles").document("b1").set(
            {"userId": "ann", "status": "queued", "baseConfig": {"a": elsewhere}}
        )
        seen = read_bundle(store)
        assert seen.bundle.user_id == "ann"
        assert seen.bundle.defects
        after = store.commit_bundle(seen, BundleChange(status=JobStatus.FAILED))
        assert after.bundle.status is JobStatus.FAILED

    def test_a_list_reads_nothing_that_it_does_not_show(
        self, store: FirestoreJobStore, client: firestore.Client, elsewhere: Any
    ) -> None:
        store.create_bundle(a_bundle(admitted_at=ADMITTED_AT))
        client.collection("backtestBundles").document("b1").update({"baseConfig.a": elsewhere})
        (listed,) = store.bundles_of("ann", limit=2).bundles
        assert type(listed) is BundleOutline

    def test_one_that_cannot_be_decoded_is_listed_with_the_others(
        self, store: FirestoreJobStore, client: firestore.Client, elsewhere: Any
    ) -> None:
        for number, name in enumerate(("fine", elsewhere)):
            store.create_bundle(
                a_bundle(f"b{number}", admitted_at=ADMITTED_AT + timedelta(minutes=number))
            )
            client.collection("backtestBundles").document(f"b{number}").update({"name": name})
        page = store.bundles_of("ann", limit=1)
        rest = store.bundles_of("ann", limit=1, cursor=page.cursor)
        assert [bundle.bundle_id for bundle in (*page.bundles, *rest.bundles)] == ["b1", "b0"]
        assert [bundle.name for bundle in (*page.bundles, *rest.bundles)] == [None, "fine"]

    def test_a_queued_bundle_is_found_in_every_spelling(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        spellings = ("queued", "CloudBacktestStatus.queued", "Pending")
        for number, status in enumerate(spellings):
            client.collection("backtestBundles").document(f"b{number}").set({"status": status})
        assert sorted(store.unexpanded_bundles(limit=9)) == ["b0", "b1", "b2"]
        assert read_bundle(store, "b1").bundle.enum_style is EnumStyle.DART
        assert read_bundle(store, "b2").bundle.status is JobStatus.QUEUED

    def test_what_a_client_sees_of_a_new_bundle(
        self, store: FirestoreJobStore, client: firestore.Client
    ) -> None:
        store.create_bundle(a_bundle(name="Sweep"))
        stored = document(client, "backtestBundles", "b1")
        assert stored["bundleId"] == "b1"
        assert stored["keepResults"] == "best"
        assert (stored["completedAt"], stored["errorMessage"]) == (None, None)
        assert "defects" not in stored
        assert "variants" not in stored

    def test_more_than_a_document_holds_is_refused(self, store: FirestoreJobStore) -> None:
        variants = [{"label": "x" * 100} for _ in range(11_000)]
        with pytest.raises(RecordRefused):
            store.create_bundle(a_bundle(variants=variants))
