"""What a broken connection tells the services, by the moment at which it broke."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError

from worker.adapters.sql.connection import connect, read, writing
from worker.jobs.errors import Conflict, OutcomeUnknown, RecordRefused, StoreUnavailable


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path}/x.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY)"))
    yield engine
    engine.dispose()


def ids(engine: Engine) -> list[int]:
    notes = text("SELECT id FROM notes ORDER BY id")
    return read(engine, lambda connection: list(connection.execute(notes).scalars()))


def lost() -> OperationalError:
    return OperationalError("…", {}, ConnectionError("the server closed the connection\nmore"))


def test_a_block_is_committed_at_its_end(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO notes VALUES (1)"))

    assert ids(engine) == [1]


@pytest.mark.parametrize("error", [LookupError("x"), Conflict("j1")])
def test_an_exception_in_the_block_undoes_it_and_passes(engine: Engine, error: Exception) -> None:
    def add_and_fail() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO notes VALUES (1)"))
            raise error

    with pytest.raises(type(error)) as raised:
        add_and_fail()

    assert raised.value is error
    assert ids(engine) == []


def test_a_connection_lost_before_the_commit_has_written_nothing(engine: Engine) -> None:
    with pytest.raises(StoreUnavailable) as raised, writing(engine):
        raise lost()

    assert type(raised.value) is StoreUnavailable
    assert str(raised.value) == "the database says: the server closed the connection"


def test_a_connection_lost_in_the_commit_leaves_the_outcome_unknown(engine: Engine) -> None:
    def break_down(_connection: object) -> None:
        raise lost()

    event.listen(engine, "commit", break_down)
    with pytest.raises(OutcomeUnknown), writing(engine) as connection:
        connection.execute(text("INSERT INTO notes VALUES (1)"))
    event.remove(engine, "commit", break_down)


def test_a_connection_lost_in_a_read_is_a_store_that_does_not_answer(engine: Engine) -> None:
    def break_down(_connection: object) -> None:
        raise lost()

    with pytest.raises(StoreUnavailable):
        read(engine, break_down)


@pytest.mark.parametrize(
    "error",
    [
        DataError("…", {}, ValueError("out of range")),
        StatementError("not JSON", "…", {}, ValueError("nan")),
        StatementError("not JSON", "…", {}, TypeError("object")),
    ],
)
def test_what_the_database_cannot_hold_is_refused(engine: Engine, error: Exception) -> None:
    with pytest.raises(RecordRefused), writing(engine):
        raise error


def test_a_violated_key_is_no_refusal_of_the_record(engine: Engine) -> None:
    """The store catches it where it knows which record was there first."""
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO notes VALUES (1)"))
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO notes VALUES (1)"))
        connection.execute(text("INSERT INTO notes VALUES (2)"))

    assert ids(engine) == [1, 2]
