"""The emulator answers any query; production only those with an index. Ours are declared."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore
from google.cloud.firestore import FieldFilter, Query

from tests.support.bundles import (
    a_bundle,
    an_expanded_bundle,
    claim_chunk,
    expansion,
    finish_chunk,
)
from tests.support.emulators import FirestoreEmulator
from tests.support.jobs import (
    ADMITTED_AT,
    a_job,
    a_running_job,
    an_admitted_job,
    claim_best,
    finish,
)
from worker.adapters.firestore import FirestoreJobStore
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode
from worker.ports import Wanted

pytestmark = pytest.mark.emulator

DECLARED = Path(__file__).parents[2] / "firestore.indexes.json"

#: Collection, the fields tested for equality (their order is free), and the one that sorts.
Index = tuple[str, frozenset[tuple[str, str]], tuple[str, str]]


def index(collection: str, fields: list[dict[str, str]]) -> Index:
    """An index without its closing ``__name__``, which every index has."""
    ordered = [
        (field["fieldPath"], field["order"]) for field in fields if field["fieldPath"] != "__name__"
    ]
    return collection, frozenset(ordered[:-1]), ordered[-1]


def declared() -> set[Index]:
    content = json.loads(DECLARED.read_text())
    return {index(item["collectionGroup"], item["fields"]) for item in content["indexes"]}


def used(emulator: FirestoreEmulator, project: str) -> set[Index]:
    reports: Any = emulator.index_usage(project)["reports"]
    return {
        index(report["index"]["name"].split("/")[-3], report["index"]["fields"])
        for report in reports
    }


def test_every_query_of_the_store_has_a_declared_index(
    firestore_emulator: FirestoreEmulator,
    firestore_project: str,
    firestore_store: FirestoreJobStore,
) -> None:
    finish(firestore_store, a_running_job(firestore_store))
    claim_best(firestore_store, Wanted(lane="poll", engine_versions=("1.0.0", "1.1.0")))
    first = firestore_store.jobs_of("ann", limit=1)
    firestore_store.jobs_of("ann", limit=1, cursor=first.cursor)

    needed = used(firestore_emulator, firestore_project)

    assert len(needed) == 2
    assert needed <= declared()


def test_every_question_about_the_queue_has_a_declared_index(
    firestore_emulator: FirestoreEmulator,
    firestore_project: str,
    firestore_store: FirestoreJobStore,
) -> None:
    """With jobs of every kind in the store, so that no query is left out for want of them."""
    store = firestore_store
    a_running_job(store, "runs")
    for number, code in enumerate((ErrorCode.TIMEOUT, ErrorCode.CANCELLED)):
        seen = store.create(an_admitted_job(f"failed{number}"))
        store.commit(seen, transitions.reject(seen.job, code, "No."))
    store.create(an_admitted_job("queued", priority=1))
    store.create(a_job("new"))

    store.expired_leases(limit=5)
    store.overdue(longest=60, slack=10, limit=5)
    store.cancelled_in_queue(limit=5)
    store.unadmitted(limit=5)
    store.waiting_users(limit=5)
    store.waiting_of("ann", limit=5)
    store.backlog("push", "1.0.0")
    store.queued_of("ann")
    store.active_of("ann")
    store.bars_of("ann", ADMITTED_AT)
    store.fleet(timedelta(minutes=5))
    store.outlived_jobs(limit=5)
    store.pause()

    needed = used(firestore_emulator, firestore_project)

    assert len(needed) > 10
    assert needed - declared() == set()


def test_every_question_about_bundles_has_a_declared_index(
    firestore_emulator: FirestoreEmulator,
    firestore_project: str,
    firestore_store: FirestoreJobStore,
) -> None:
    store = firestore_store
    an_expanded_bundle(store, size=1)
    finish_chunk(store, claim_chunk(store), completed=1, failed=0)
    claim_chunk(store)
    seen = store.create_bundle(a_bundle("waiting"))
    change, jobs = expansion(seen)
    store.commit_bundle(seen, change, [replace(job, rank=None, lane=None) for job in jobs])

    store.chunk_jobs("b1")
    store.chunk_tally("b1")
    store.unexpanded_bundles(limit=5)
    store.unexpanded_bundles(limit=5, after="b1")
    store.running_bundles(limit=5, after="a")
    store.open_bundles_of("ann")
    store.outlived_bundles(limit=5)
    store.bundles_of("ann", limit=1, cursor=store.bundles_of("ann", limit=1).cursor)
    store.waiting_users(limit=5)
    store.waiting_of("ann", limit=5)
    store.active_of("ann")
    store.bars_of("ann", ADMITTED_AT)

    needed = used(firestore_emulator, firestore_project)

    assert {collection for collection, *_ in needed} == {"backtestJobs", "backtestBundles"}
    assert needed - declared() == set()


@pytest.mark.parametrize(
    ("collection", "field"),
    [
        ("backtestJobs", "submittedAt"),
        ("backtestBundles", "submittedAt"),
        ("backtestResults", "createdAt"),
    ],
)
def test_what_clients_list_of_their_own_newest_first_has_a_declared_index(
    firestore_emulator: FirestoreEmulator,
    firestore_project: str,
    firestore_store: FirestoreJobStore,
    collection: str,
    field: str,
) -> None:
    """The rules let a client list documents by its own ``userId``."""
    finish(firestore_store, a_running_job(firestore_store))
    an_expanded_bundle(firestore_store)
    client = firestore.Client(project=firestore_project)
    own = client.collection(collection).where(filter=FieldFilter("userId", "==", "ann"))
    own.order_by(field, direction=Query.DESCENDING).limit(20).get()
    client.close()  # type: ignore[no-untyped-call]  # Google's

    needed = used(firestore_emulator, firestore_project)

    wanted = (collection, frozenset({("userId", "ASCENDING")}), (field, "DESCENDING"))
    assert wanted in needed
    assert wanted in declared()


@pytest.mark.parametrize(
    ("collection", "field"),
    [
        ("backtestBundles", "baseConfig"),
        ("backtestBundles", "gridPaths"),
        ("backtestBundles", "parameterGrid"),
        ("backtestBundles", "summary"),
        ("backtestBundles", "variants"),
        ("backtestJobs", "configUsed"),
        ("backtestJobs", "variants"),
        ("backtestResults", "backtestResult"),
    ],
)
def test_large_maps_are_exempt_from_indexing(collection: str, field: str) -> None:
    """Every element of an array is an index entry, and a document may have 40,000 of them."""
    overrides = json.loads(DECLARED.read_text())["fieldOverrides"]

    assert {"collectionGroup": collection, "fieldPath": field, "indexes": []} in overrides
