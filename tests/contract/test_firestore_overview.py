"""Documents as clients and other systems leave them, and the sweep's questions about them."""

from datetime import timedelta
from typing import Any

import pytest
from google.cloud import firestore

from tests.support.emulators import FirestoreEmulator
from tests.support.jobs import ADMITTED_AT, CONFIG, an_admitted_job
from worker.adapters.firestore import FirestoreJobStore

pytestmark = pytest.mark.emulator


@pytest.fixture
def documents(
    firestore_emulator: FirestoreEmulator,  # noqa: ARG001 - points the client at it
    firestore_project: str,
) -> firestore.CollectionReference:
    """The collection as a client sees it."""
    return firestore.Client(project=firestore_project).collection("backtestJobs")


def a_document(**values: Any) -> dict[str, Any]:
    return {"userId": "ann", "status": "queued", "configUsed": CONFIG} | values


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"rank": None, "admittedAt": None, "lane": None, "attempt": 0},
        {"status": "CloudBacktestStatus.queued"},
        {"status": "CloudBacktestStatus.queued", "rank": None},
        {"status": "Pending"},
        {"rank": "first", "admittedAt": "today"},
        {"rank": "first", "admittedAt": ADMITTED_AT},
        {"admittedAt": ADMITTED_AT, "completedAt": ADMITTED_AT, "errorCode": "INVALID_CONFIG"},
    ],
)
def test_a_new_document_is_found_however_it_is_written(
    firestore_store: FirestoreJobStore,
    documents: firestore.CollectionReference,
    values: dict[str, Any],
) -> None:
    firestore_store.create(an_admitted_job("ranked"))
    documents.document("new").set(a_document(**values))

    assert firestore_store.unadmitted(limit=5) == ["new"]


def test_all_are_found_behind_many_admitted_ones(
    firestore_store: FirestoreJobStore, documents: firestore.CollectionReference
) -> None:
    """More than one page of them."""
    admitted = a_document(rank=1.0, admittedAt=ADMITTED_AT, lane="push", engineVersion="1.0.0")
    for first in (0, 400):
        batch = documents._client.batch()
        for number in range(first, first + 400):
            batch.set(documents.document(f"a{number}"), admitted)
        batch.commit()
    documents.document("b-new").set(a_document())
    documents.document("z-new").set(a_document())

    assert firestore_store.unadmitted(limit=5) == ["b-new", "z-new"]
    assert len(firestore_store.unadmitted(limit=1)) == 1


@pytest.mark.parametrize(
    "lease", [None, "mine", {"leaseId": "l"}, {"heartbeatAt": "now", "seconds": 90}]
)
def test_a_lease_that_cannot_be_read_holds_nothing(
    firestore_store: FirestoreJobStore, documents: firestore.CollectionReference, lease: Any
) -> None:
    documents.document("bare").set(a_document(status="running", lane="push", lease=lease))

    assert firestore_store.expired_leases(limit=5) == ["bare"]
    assert firestore_store.fleet(timedelta(0)).expired_leases == 1


def test_a_running_document_of_an_older_system_is_left_alone(
    firestore_store: FirestoreJobStore, documents: firestore.CollectionReference
) -> None:
    documents.document("theirs").set(a_document(status="running"))

    assert firestore_store.expired_leases(limit=5) == []
    assert firestore_store.overdue(longest=0, slack=0, limit=5) == []


def test_figures_that_are_none_are_not_added(
    firestore_store: FirestoreJobStore, documents: firestore.CollectionReference
) -> None:
    documents.document("one").set(a_document(admittedAt=ADMITTED_AT, bars="many"))
    documents.document("two").set(a_document(admittedAt=ADMITTED_AT, bars=7))

    assert firestore_store.bars_of("ann", ADMITTED_AT - timedelta(days=1)) == 7
