"""The history of the tables: one line of steps, up and down, to what the code declares."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from tests.support.jobs import a_job, an_admitted_job, claim_best, finish, read
from worker.adapters.schema_revision import HEAD
from worker.adapters.sql import SqlJobStore
from worker.adapters.sql.connection import connect, writing
from worker.adapters.sql.indexes import metadata
from worker.adapters.sql.schema import SchemaMismatch, alembic_config, migrate, revision_of
from worker.jobs.errors import StoreUnavailable
from worker.jobs.states import JobStatus

HISTORY = list(reversed(list(ScriptDirectory.from_config(alembic_config()).walk_revisions())))
REVISIONS = [step.revision for step in HISTORY]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    made: str = request.getfixturevalue("postgres_url")
    return made


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


def migrated(engine: Engine, revision: str) -> tuple[str | None, str | None]:
    with writing(engine) as connection:
        return migrate(connection, revision)


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def shape_of(engine: Engine) -> dict[str, tuple[list[tuple[str, str, bool]], list[str]]]:
    """Columns and indexes of each table."""
    seen = inspect(engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)],
            sorted(f"{index['name']} {index['column_names']}" for index in seen.get_indexes(table)),
        )
        for table in seen.get_table_names()
    }


def test_the_history_is_one_line_and_ends_where_the_code_says() -> None:
    assert [step.down_revision for step in HISTORY] == [None, *REVISIONS[:-1]]
    assert REVISIONS[-1] == HEAD
    assert sorted(REVISIONS) == REVISIONS


def test_the_migrated_tables_are_those_that_the_code_declares(engine: Engine) -> None:
    assert migrated(engine, "head") == (None, HEAD)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        made = {name: inspect(connection).get_indexes(name) for name in metadata.tables}
    for name, table in metadata.tables.items():
        declared = {
            index.name: [column.name for column in index.columns] for index in table.indexes
        }
        assert {index["name"]: index["column_names"] for index in made[name]} == declared


def test_the_conditions_of_partial_indexes_are_those_that_the_code_declares(tmp_path: Path) -> None:
    def indexes(file: str) -> set[str]:
        with sqlite3.connect(tmp_path / file) as connection:
            rows = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'index'")
            found = {" ".join(sql.split()) for (sql,) in rows.fetchall() if sql}
        connection.close()
        return found

    migrations, declared = (connect(f"sqlite:///{tmp_path}/{name}.db") for name in "ab")
    migrated(migrations, "head")
    with writing(declared) as connection:
        metadata.create_all(connection)
    migrations.dispose()
    declared.dispose()

    def plain(statements: set[str]) -> set[str]:
        return {text.replace("backtest_jobs.", "") for text in statements}

    assert plain(indexes("a.db")) == plain(indexes("b.db"))


def test_each_step_down_undoes_its_step_up(engine: Engine) -> None:
    shapes = []
    for revision in REVISIONS:
        migrated(engine, revision)
        shapes.append(shape_of(engine))
    assert len({str(shape) for shape in shapes}) == len(REVISIONS)

    for revision, shape in reversed(list(zip(REVISIONS[:-1], shapes[:-1], strict=True))):
        migrated(engine, revision)
        assert shape_of(engine) == shape

    assert migrated(engine, "base") == (REVISIONS[0], None)
    assert tables_of(engine) == {"alembic_version"}
    assert migrated(engine, "head") == (None, HEAD)
    assert shape_of(engine) == shapes[-1]


def test_jobs_survive_the_way_down_and_up(url: str) -> None:
    store = SqlJobStore(url)
    store.create_schema()
    store.create(an_admitted_job("j1"))
    store.create(an_admitted_job("j2", 1.0))
    running = claim_best(store)
    assert running is not None
    finish(store, running)

    store.migrate(REVISIONS[0])
    store.migrate("head")

    assert read(store, "j1").job.status is JobStatus.COMPLETED
    assert store.result("j1") is not None
    assert read(store, "j2").job == store.get("j2").job  # type: ignore[union-attr]  # it is there
    assert claim_best(store) is not None
    store.close()


def test_tables_from_before_there_were_revisions_are_taken_over(engine: Engine, url: str) -> None:
    migrated(engine, REVISIONS[0])
    with writing(engine) as connection:
        connection.execute(sqlalchemy.text("DROP TABLE alembic_version"))

    store = SqlJobStore(url)
    store.create_schema()

    store.require_schema()
    store.create(a_job("j1"))
    store.close()


@pytest.mark.parametrize("revision", ["7777", "head~2", ""])
def test_a_revision_that_does_not_exist_changes_nothing(engine: Engine, revision: str) -> None:
    migrated(engine, "head")
    with pytest.raises(SchemaMismatch, match="known: 0001"):
        migrated(engine, revision)
    assert migrated(engine, "head") == (HEAD, HEAD)


def test_a_step_that_fails_leaves_the_database_as_it_was(engine: Engine) -> None:
    migrated(engine, REVISIONS[0])
    with writing(engine) as connection:
        connection.execute(
            sqlalchemy.text("CREATE INDEX backtest_jobs_of_worker ON backtest_jobs (attempt)")
        )
    before = shape_of(engine)

    with pytest.raises(StoreUnavailable):
        migrated(engine, "head")

    assert shape_of(engine) == before


def next_release(engine: Engine) -> str:
    """What a later program's migration would do: grow. The revision it leaves."""
    revision = f"{int(HEAD) + 1:04}"
    migrated(engine, "head")
    with writing(engine) as connection:
        for statement in (
            "ALTER TABLE backtest_jobs ADD COLUMN colour TEXT",
            "ALTER TABLE backtest_results ADD COLUMN weight INTEGER DEFAULT 1 NOT NULL",
            "CREATE INDEX backtest_jobs_colours ON backtest_jobs (colour)",
            f"UPDATE alembic_version SET version_num = '{revision}'",
        ):
            connection.execute(sqlalchemy.text(statement))
    return revision


def test_a_program_works_on_its_own_schema_and_on_the_next(engine: Engine, url: str) -> None:
    """So a release may migrate before its programs start, and may be taken back afterwards."""
    revision = next_release(engine)

    with closing(SqlJobStore(url)) as store:
        store.require_schema()
        store.create(an_admitted_job("j1"))
        finish(store, claim_best(store))
        assert read(store, "j1").job.status is JobStatus.COMPLETED
        assert store.result("j1") is not None

    with engine.connect() as connection:
        assert revision_of(connection) == revision


def test_what_the_next_release_added_is_not_taken_away_by_this_ones_start(
    engine: Engine, url: str
) -> None:
    next_release(engine)

    with closing(SqlJobStore(url)) as store:
        store.create_schema()

    columns = {column["name"] for column in inspect(engine).get_columns("backtest_jobs")}
    assert "colour" in columns


@pytest.mark.parametrize("step", range(1, len(REVISIONS)), ids=lambda step: REVISIONS[step])
def test_a_step_only_grows_what_the_release_before_it_uses(engine: Engine, step: int) -> None:
    """New columns must not be missed by programs that do not know them: they may be empty or have
    a value of their own. What is to go goes in a release after the last that used it.
    """
    migrated(engine, REVISIONS[step - 1])
    before = inspect(engine)
    tables = {name: before.get_columns(name) for name in before.get_table_names()}
    migrated(engine, REVISIONS[step])
    after = inspect(engine)

    assert set(tables) <= set(after.get_table_names())
    for name, columns in tables.items():
        known = {column["name"]: str(column["type"]) for column in columns}
        now = {column["name"]: column for column in after.get_columns(name)}
        assert known == {column: str(now[column]["type"]) for column in known}
        for column in now.keys() - known.keys():
            assert now[column]["nullable"] or now[column]["default"] is not None, column


def test_a_database_that_is_newer_than_the_program_is_not_served(engine: Engine, url: str) -> None:
    migrated(engine, "head")
    with writing(engine) as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))

    def serve() -> None:
        with closing(SqlJobStore(url)) as store:
            store.require_schema()

    with pytest.raises(SchemaMismatch, match="9999"):
        serve()


@pytest.mark.postgres
def test_postgresql_without_tables_is_not_served(postgres_url: str) -> None:
    store = SqlJobStore(postgres_url)
    with pytest.raises(SchemaMismatch, match=r"no tables.*run backtest-worker migrate$"):
        store.require_schema()

    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda _: store.create_schema(), range(4)))

    store.require_schema()
    store.migrate(REVISIONS[0])
    with pytest.raises(SchemaMismatch, match=f"revision {REVISIONS[0]} .*needs {HEAD}"):
        store.require_schema()
    store.close()
