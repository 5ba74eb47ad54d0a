"""Jobs and bundles under ids that the service gives to none, written into the store by a server."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import firestore
from sqlalchemy import insert

from tests.support.bundles import a_bundle, read_bundle
from tests.support.jobs import ADMITTED_AT, a_job, read
from tests.support.maintenance import maintenance
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.bundle_mapping import bundle_row
from worker.adapters.sql.connection import writing
from worker.adapters.sql.mapping import job_row
from worker.adapters.sql.tables import bundles, jobs
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.ports import Store

#: More than a sweep looks at once.
MANY = 300

Write = Callable[[list[str], list[str]], None]


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("firestore", marks=pytest.mark.emulator),
    ]
)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    yield made
    made.close()


@pytest.fixture
def write(store: Store) -> Write:
    """Writes queued jobs and bundles as a server with the store's own client would."""
    if isinstance(store, SqlJobStore):
        return lambda job_ids, bundle_ids: _into_tables(store, job_ids, bundle_ids)
    assert isinstance(store, FirestoreJobStore)
    client = store._client
    return lambda job_ids, bundle_ids: _into_documents(client, job_ids, bundle_ids)


def _into_tables(store: SqlJobStore, job_ids: list[str], bundle_ids: list[str]) -> None:
    with writing(store._engine) as connection:
        rows = [job_row(a_job(job_id), ADMITTED_AT - timedelta(days=1)) for job_id in job_ids]
        connection.execute(insert(jobs), rows)
        for bundle_id in bundle_ids:
            row = bundle_row(a_bundle(bundle_id), ADMITTED_AT)
            connection.execute(insert(bundles).values(row))


def _into_documents(client: firestore.Client, job_ids: list[str], bundle_ids: list[str]) -> None:
    batch = client.batch()
    document: dict[str, Any] = {"userId": "ann", "status": "queued", "configUsed": {}}
    for job_id in job_ids:
        batch.set(client.collection("backtestJobs").document(job_id), document)
    for bundle_id in bundle_ids:
        batch.set(client.collection("backtestBundles").document(bundle_id), document)
    batch.commit()


def test_they_end_and_say_why(store: Store, write: Write) -> None:
    write(["order 7", "näher"], ["my sweep"])
    sweep = maintenance(store)
    assert sweep.run() == {"unadmitted": 2, "unexpanded_bundles": 1}
    job = read(store, "order 7").job
    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
    assert job.error_message == (
        "The id is not valid: expected 1 to 128 letters, digits, underscores and hyphens, "
        "got 'order 7'."
    )
    assert read(store, "näher").job.status is JobStatus.FAILED
    bundle = read_bundle(store, "my sweep").bundle
    assert (bundle.status, bundle.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
    assert bundle.error_message is not None
    assert "'my sweep'" in bundle.error_message
    assert sweep.run() == {}


def test_their_owner_sees_them_page_by_page(store: Store, write: Write) -> None:
    write([f"order {number}" for number in range(3)], [])
    maintenance(store).run()
    first = store.jobs_of("ann", limit=2)
    second = store.jobs_of("ann", limit=2, cursor=first.cursor)
    assert len({job.job_id for job in (*first.jobs, *second.jobs)}) == 3


def test_a_crowd_of_them_does_not_keep_others_from_being_admitted(
    store: Store, write: Write
) -> None:
    """Their ids are sorted before the one whose event got lost."""
    write([f"!{number:03}" for number in range(MANY)], [])
    store.create(a_job("lost-event"))
    sweep = maintenance(store)
    for _ in range(2):
        sweep.sweep.run()
    assert read(store, "lost-event").job.is_admitted
