"""The queries of the SQL stores walk their indexes, with tens of thousands of jobs in the table."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text

from tests.support.bundles import a_bundle
from tests.support.jobs import ADMITTED_AT, WANTED, an_admitted_job, read
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.bundle_mapping import bundle_row
from worker.adapters.sql.connection import connect, writing
from worker.adapters.sql.mapping import job_row
from worker.adapters.sql.statements import Statements
from worker.adapters.sql.tables import bundles, jobs
from worker.jobs.bundle import BundleChange
from worker.jobs.lease import ServerTime
from worker.jobs.states import JobStatus

SQLITE_SCAN = ("SCAN backtest_jobs", "TEMP B-TREE")
POSTGRES_SCAN = ("Seq Scan", "Sort")
QUEUED, ENDED, RUNNING = 10_000, 4_000, 20
BUNDLES = 5_000


def rows() -> Iterator[dict[str, Any]]:
    """A queue of ten thousand, some jobs that run, many that have ended; of many users."""

    def row(number: int, **values: Any) -> dict[str, Any]:
        job = an_admitted_job(f"j{number:05}", float(number), user_id=f"user{number % 200}")
        moment = ADMITTED_AT + timedelta(seconds=number)
        return job_row(job, moment) | values

    for number in range(QUEUED + ENDED + RUNNING):
        moment = ADMITTED_AT + timedelta(seconds=number)
        if number < QUEUED:
            yield row(number)
        elif number < QUEUED + ENDED:
            bundle = f"b{number % 40}" if number % 2 else None
            yield row(number, status="completed", completed_at=moment, bundle_id=bundle)
        else:
            lease = {"lease_id": "l", "lease_worker_id": f"w{number}", "lease_seconds": 90}
            yield row(number, status="running", lease_heartbeat_at=moment, **lease)


def bundle_rows() -> Iterator[dict[str, Any]]:
    """Bundles of the same users; most of them have ended."""
    states = {0: JobStatus.QUEUED, 1: JobStatus.RUNNING}
    for number in range(BUNDLES):
        moment = ADMITTED_AT + timedelta(seconds=number)
        status = states.get(number % 50, JobStatus.COMPLETED)
        bundle = a_bundle(
            f"b{number:05}", user_id=f"user{number % 20}", status=status, admitted_at=moment
        )
        yield bundle_row(bundle, moment)


class Planned:
    """A filled store, and what its database plans for a statement."""

    def __init__(self, url: str) -> None:
        self.store = SqlJobStore(url)
        self.store.create_schema()
        self.engine: Engine = connect(url)
        self._embedded = url.startswith("sqlite")
        self.statements = Statements(self._embedded)
        with writing(self.engine) as connection:
            connection.execute(insert(jobs), list(rows()))
            connection.execute(insert(bundles), list(bundle_rows()))
            connection.execute(text("ANALYZE"))

    def plan(self, sql: str, parameters: Any) -> str:
        explain = "EXPLAIN QUERY PLAN" if self._embedded else "EXPLAIN"
        pooled = self.engine.raw_connection()
        connection: Any = pooled.dbapi_connection
        found = connection.execute(f"{explain} {sql}", parameters).fetchall()
        pooled.close()
        return "\n".join(str(row[-1]) for row in found)

    def plans_of(self, call: Callable[[SqlJobStore], object]) -> str:
        """Of everything that SQLAlchemy sends for a call."""
        sent: list[tuple[str, Any]] = []

        def note(_c: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
            sent.append((sql, parameters))

        engine = self.store._engine
        event.listen(engine, "before_cursor_execute", note)
        call(self.store)
        event.remove(engine, "before_cursor_execute", note)
        assert sent
        return "\n".join(self.plan(*one) for one in sent)

    def require(self, plan: str, *indexes: str) -> None:
        for forbidden in SQLITE_SCAN if self._embedded else POSTGRES_SCAN:
            assert forbidden not in plan
        for index in indexes:
            assert index in plan

    def close(self) -> None:
        self.engine.dispose()
        self.store.close()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def planned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planned]:
    if request.param == "sqlite":
        made = Planned(f"sqlite:///{tmp_path_factory.mktemp('plans')}/jobs.db")
        yield made
        made.close()
        return
    server = request.getfixturevalue("postgres_process")
    name = server.new_database()
    made = Planned(server.url(name))
    yield made
    made.close()
    server.drop_database(name)


def test_a_claim_walks_the_queue_from_its_front(planned: Planned) -> None:
    (version,) = WANTED.engine_versions
    for statement in (planned.statements.best, planned.statements.head):
        planned.require(planned.plan(*statement(WANTED.lane, version)), "backtest_jobs_queue")


@pytest.mark.postgres
def test_a_claim_looks_at_no_job_of_another_engine_version(postgres_url: str) -> None:
    """Ten thousand of them are in front of the one that the worker can run."""
    planned = Planned(postgres_url)
    planned.store.create(an_admitted_job("mine", 1e9, engine_version="2.0.0"))
    sql, parameters = planned.statements.best(WANTED.lane, "2.0.0")
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
    with planned.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        ((plans,),) = raw.execute(explain, parameters).fetchall()
    plan = plans[0]["Plan"]
    assert plan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 20
    planned.close()


def test_a_guarded_write_finds_its_job_by_the_key(planned: Planned) -> None:
    clock = ServerTime.NOW if planned.engine.dialect.name == "postgresql" else ADMITTED_AT
    sql, parameters = planned.statements.update("j00001", 1, {"started_at": clock})
    planned.require(planned.plan(sql, parameters))
    planned.require(planned.plan(planned.statements.get, ("j00001",)))


def test_a_users_list_walks_an_index_page_by_page(planned: Planned) -> None:
    first = planned.store.jobs_of("user7", limit=20)
    assert len(first.jobs) == 20
    for cursor in (None, first.cursor):
        plan = planned.plans_of(lambda store, c=cursor: store.jobs_of("user7", limit=20, cursor=c))
        planned.require(plan, "backtest_jobs_of_user")


def test_running_jobs_are_found_without_reading_the_queue(planned: Planned) -> None:
    sql = "SELECT job_id FROM backtest_jobs WHERE status = 'running' AND lane IN ('push', 'poll')"
    planned.require(planned.plan(sql, ()), "backtest_jobs_queue")
    read_all = planned.plans_of(lambda store: store.expired_leases(limit=100))
    assert all(scan not in read_all for scan in ("SCAN backtest_jobs", "Seq Scan"))


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("bundle_id = 'b7'", "backtest_jobs_of_bundle"),
        ("bundle_id = 'b7' AND status = 'completed'", "backtest_jobs_of_bundle"),
        ("lease_worker_id = 'w14005'", "backtest_jobs_of_worker"),
    ],
)
def test_bundles_and_workers_have_their_index(planned: Planned, condition: str, index: str) -> None:
    planned.require(planned.plan(f"SELECT job_id FROM backtest_jobs WHERE {condition}", ()), index)


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: store.unexpanded_bundles(limit=100), "backtest_bundles_open"),
        (lambda store: store.unexpanded_bundles(limit=9, after="b03"), "backtest_bundles_open"),
        (lambda store: store.running_bundles(limit=100), "backtest_bundles_open"),
        (lambda store: store.running_bundles(limit=9, after="b03000"), "backtest_bundles_open"),
        (lambda store: store.open_bundles_of("user7"), "backtest_bundles_open_of_user"),
        (lambda store: store.bundles_of("user7", limit=20), "backtest_bundles_of_user"),
        (lambda store: store.chunk_jobs("b7"), "backtest_jobs_of_bundle"),
        (lambda store: store.chunk_tally("b7"), "backtest_jobs_of_bundle"),
        (lambda store: store.bars_of("user7", ADMITTED_AT), "backtest_jobs_chunks_of_user"),
        (lambda store: store.bars_of("user7", ADMITTED_AT), "backtest_jobs_of_user"),
    ],
)
def test_every_question_about_bundles_walks_an_index(
    planned: Planned, ask: Callable[[SqlJobStore], object], index: str
) -> None:
    plan = planned.plans_of(ask)
    planned.require(plan, index)
    assert "SCAN backtest_bundles" not in plan.replace("SCAN backtest_bundles USING", "")


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: store.outlived_jobs(limit=100), "backtest_jobs_expiring"),
        (lambda store: store.outlived_bundles(limit=100), "backtest_bundles_expiring"),
    ],
)
def test_what_has_expired_is_found_by_its_index(
    planned: Planned, ask: Callable[[SqlJobStore], object], index: str
) -> None:
    assert index in planned.plans_of(ask)


def test_a_bundle_is_written_by_its_key(planned: Planned) -> None:
    seen = planned.store.get_bundle("b00001")
    assert seen is not None
    plan = planned.plans_of(lambda store: store.commit_bundle(seen, BundleChange(progress=0.5)))
    planned.require(plan)


def test_without_its_index_a_claim_is_seen_to_read_everything(tmp_path: Path) -> None:
    """The test above would notice."""
    planned = Planned(f"sqlite:///{tmp_path}/jobs.db")
    with writing(planned.engine) as connection:
        connection.execute(text("DROP INDEX backtest_jobs_queue"))
    plan = planned.plan(*planned.statements.best(WANTED.lane, WANTED.engine_versions[0]))
    assert any(scan in plan for scan in SQLITE_SCAN)
    assert read(planned.store, "j00000").job.job_id == "j00000"
    planned.close()
