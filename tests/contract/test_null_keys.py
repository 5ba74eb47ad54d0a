"""Admission takes an optional key of a job or bundle as null for absent, in documents and rows."""

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore
from sqlalchemy import Connection, Table, create_engine, text
from sqlalchemy.exc import IntegrityError

import engine
from tests.support.admissions import POLICY
from tests.support.bundle_house import open_house
from tests.support.client_keys import BUNDLE_KEYS, CONFIG, JOB_KEYS, Case, Key, cases
from worker.adapters.firestore import FirestoreJobStore
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.tables import bundles, jobs
from worker.adapters.sql.types import JsonText
from worker.jobs.bundle import Bundle
from worker.jobs.job import Job
from worker.jobs.states import JobStatus
from worker.ports import Store
from worker.services.admission import Admission

#: How many documents are admitted at a time.
AT_ONCE = 4


def admitted_job(store: Store, job_id: str) -> Job:
    seen = Admission(store, POLICY, engine.parse_config).admit_id(job_id)
    assert seen is not None
    return seen.job


def expanded_bundle(store: Store, directory: Path, bundle_id: str) -> Bundle:
    open_house(store, directory).services.bundle_arrivals.announce(bundle_id)
    seen = store.get_bundle(bundle_id)
    assert seen is not None
    return seen.bundle


def told(record: Job | Bundle) -> str:
    """How admission has decided: "" for yes, else its message."""
    if record.status is JobStatus.FAILED:
        assert record.error_message
        return record.error_message
    is_admitted = record.is_admitted if isinstance(record, Job) else bool(record.chunks)
    assert is_admitted
    return ""


def meaning(record: Job | Bundle) -> Job | Bundle:
    """All of a record but what is another one in each: its id and its times."""
    times: dict[str, Any] = dict.fromkeys(
        ("created_at", "submitted_at", "admitted_at", "started_at", "completed_at")
    )
    if isinstance(record, Job):
        return replace(record, job_id="", rank=None, **times)
    return replace(record, bundle_id="", **times)


def mistakes(written: Sequence[Case], records: Sequence[Job | Bundle]) -> Iterator[str]:
    """The cases that admission does not decide as the table of keys says."""
    absent: dict[str, Job | Bundle] = {}
    for case, record in zip(written, records, strict=True):
        message = told(record)
        if case.kind == "absent":
            absent[case.key.name] = meaning(record)
        elif case.kind == "null" and meaning(record) != absent[case.key.name]:
            yield f"{case}: another meaning than absent"
        is_refused = case.kind == "wrong" or (case.kind != "right" and case.key.needed)
        if bool(message) != is_refused or (is_refused and case.key.name not in message):
            yield f"{case}: {message or 'admitted'}"


def written_cases(project: str, collection: str, keys: Sequence[Key]) -> list[Case]:
    """Documents as a server may write them; those that only the rules refuse are left out."""
    client = firestore.Client(project=project)
    written = [case for case in cases(keys) if case.kind != "refused"]
    batch = client.batch()
    for case in written:
        batch.create(client.collection(collection).document(case.name), case.document)
    batch.commit()
    client.close()  # type: ignore[no-untyped-call]  # Google's has no types
    return written


def case_of(written: Sequence[Case], key: str, kind: str) -> int:
    (place,) = (n for n, case in enumerate(written) if (case.key.name, case.kind) == (key, kind))
    return place


@pytest.mark.emulator
def test_null_is_absent_in_the_document_of_a_job(
    firestore_store: FirestoreJobStore, firestore_project: str
) -> None:
    written = written_cases(firestore_project, "backtestJobs", JOB_KEYS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        records = list(pool.map(lambda case: admitted_job(firestore_store, case.name), written))

    assert list(mistakes(written, records)) == []
    required = "configUsed: expected a map (required), got null"
    assert required in told(records[case_of(written, "configUsed", "null")])
    firestore_store.close()


@pytest.mark.emulator
def test_null_is_absent_in_the_document_of_a_bundle(
    firestore_store: FirestoreJobStore, firestore_project: str, tmp_path: Path
) -> None:
    written = written_cases(firestore_project, "backtestBundles", BUNDLE_KEYS)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        records = list(
            pool.map(lambda case: expanded_bundle(firestore_store, tmp_path, case.name), written)
        )

    assert list(mistakes(written, records)) == []
    required = "baseConfig: expected a map (required), got null"
    assert required in told(records[case_of(written, "baseConfig", "null")])
    firestore_store.close()


#: The columns without which a row cannot be inserted, and what a row needs to be admitted.
JOB_ROW: dict[str, Any] = {
    "revision": 1,
    "user_id": "alice",
    "status": "queued",
    "config_used": json.dumps(CONFIG),
    "created_at": "2026-03-01T12:00:00+00:00",
    "priority": 0,
    "cancel_requested": False,
    "progress": 0.0,
    "attempt": 0,
    "interruptions": 0,
    "worker_losses": 0,
    "enum_style": "plain",
    "defects": "[]",
}
BUNDLE_ROW: dict[str, Any] = {
    "revision": 1,
    "user_id": "alice",
    "status": "queued",
    "created_at": "2026-03-01T12:00:00+00:00",
    "priority": 0,
    "base_config": json.dumps(CONFIG),
    "parameter_grid": json.dumps({"parameters.fast": [3, 4]}),
    "rank_by": "sharpe",
    "keep_results": "best",
    "cancel_requested": False,
    "total": 0,
    "completed": 0,
    "failed": 0,
    "progress": 0.0,
    "artifacts": "{}",
    "enum_style": "plain",
    "defects": "[]",
}


def insert(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table.name} ({names}) VALUES ({values})"), row)


def refuses(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    try:
        with connection.begin_nested():
            insert(connection, table, row)
    except IntegrityError:
        return True
    return False


def without(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != column}


def column_of(key: Key) -> str:
    return re.sub("([A-Z])", r"_\1", key.name).lower()


def inserted(url: str, table: Table, row: dict[str, Any], keys: Sequence[Key]) -> Iterator[str]:
    """The ids of rows that a person inserted, each without a client's key, with its column NULL,
    and with null as JSON. Both or neither of the first two can be inserted.
    """
    (id_column,) = table.primary_key.columns
    database = create_engine(url)
    with database.begin() as connection:
        for column in map(column_of, keys):
            if column not in table.columns or column == id_column.name:
                continue
            ways: dict[str, dict[str, Any]] = {
                "absent": without(row, column),
                "null": {**row, column: None},
            }
            if isinstance(table.columns[column].type, JsonText):
                ways["json"] = {**row, column: "null"}
            refused = {
                way
                for way, values in ways.items()
                if refuses(connection, table, {id_column.name: f"{column}-{way}", **values})
            }
            assert refused in (set(), {"absent", "null"})
            yield from (f"{column}-{way}" for way in ways if way not in refused)
        for column in {"artifacts", "defects"} & {*row}:
            insert(connection, table, {id_column.name: f"{column}-json", **row, column: "null"})
            yield f"{column}-json"
    database.dispose()


def assert_null_is_absent(records: dict[str, Job | Bundle], needed: dict[str, str]) -> None:
    """``needed``: what is said of the columns that cannot be absent."""
    assert records
    for name, record in records.items():
        column, _, way = name.rpartition("-")
        assert told(record) == needed.get(column, "")
        if way == "null":
            assert meaning(record) == meaning(records[f"{column}-absent"])
        elif f"{column}-absent" in records:
            assert replace(meaning(record), defects=()) == meaning(records[f"{column}-absent"])


@pytest.fixture(
    params=[
        pytest.param("sqlite"),
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SqlJobStore, str]]:
    """A store over SQL, and its address for whoever writes to it by hand."""
    store: SqlJobStore = request.getfixturevalue(f"{request.param}_store")
    assert store.get("nobody") is None
    if request.param == "sqlite":
        yield store, f"sqlite:///{tmp_path}/jobs.db"
    else:
        yield store, request.getfixturevalue("postgres_url")
    store.close()


def test_null_is_absent_in_the_row_of_a_job(database: tuple[SqlJobStore, str]) -> None:
    store, url = database
    names = list(inserted(url, jobs, JOB_ROW, JOB_KEYS))
    assert {"engine_version-null", "timeout_seconds-null", "variants-json"} < {*names}
    assert_null_is_absent(
        {name: admitted_job(store, name) for name in names},
        {
            "user_id": "The job has no userId.",
            "config_used": "The job is not valid: configUsed: expected a map (required), got null.",
        },
    )


def test_null_is_absent_in_the_row_of_a_bundle(
    database: tuple[SqlJobStore, str], tmp_path: Path
) -> None:
    store, url = database
    names = list(inserted(url, bundles, BUNDLE_ROW, BUNDLE_KEYS))
    assert {"name-null", "variants-null", "variants-json", "artifacts-json"} < {*names}
    neither = "parameterGrid: expected either parameterGrid or variants, got neither"
    assert_null_is_absent(
        {name: expanded_bundle(store, tmp_path, name) for name in names},
        {
            "user_id": "The bundle has no userId.",
            "parameter_grid": neither,
            "base_config": "The bundle is not valid: "
            "baseConfig: expected a map (required), got null.",
        },
    )
