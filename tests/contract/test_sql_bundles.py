"""Bundles as rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.bundles import a_bundle
from tests.support.jobs import ADMITTED_AT
from worker.adapters.sql import SqlJobStore

LONG = ("base_config", "parameter_grid", "variants", "summary", "artifacts")


@pytest.mark.parametrize("column", LONG)
def test_a_list_reads_nothing_that_it_does_not_show(
    sqlite_store: SqlJobStore, tmp_path: Path, column: str
) -> None:
    """It would stumble over what is no JSON there, as a look at the whole bundle does."""
    sqlite_store.create_bundle(a_bundle(admitted_at=ADMITTED_AT))
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as database, database:
        database.execute(f"UPDATE backtest_bundles SET {column} = '{{'")
    with pytest.raises(ValueError, match="Expecting"):
        sqlite_store.get_bundle("b1")
    (listed,) = sqlite_store.bundles_of("ann", limit=2).bundles
    assert listed.bundle_id == "b1"
    sqlite_store.close()
