"""``backtest-worker migrate``, and commands on a database that needs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from worker.adapters.schema_revision import HEAD
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.cli import main

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def command(store: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env={"STORE": store})

    return command


@pytest.mark.postgres
def test_a_new_database_is_migrated_and_then_used(
    run: Run, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDLES", str(tmp_path))
    monkeypatch.setenv("ARTIFACTS", str(tmp_path / "artifacts"))
    refused = run(postgres_url, "status", "j1")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "Error: the database has no tables and this program needs "
        f"{HEAD}: run backtest-worker migrate"
    ]
    for command in (["serve", "--port", "0"], ["poll", "--port", "0"], ["control", "--port", "0"]):
        result = run(postgres_url, *command)
        assert (result.exit_code, result.stderr) == (1, refused.stderr)

    assert run(postgres_url, "migrate").stdout == f"Migrated from base to {HEAD}.\n"
    assert run(postgres_url, "migrate").stdout == f"The database is at revision {HEAD} already.\n"
    assert "no job j1" in run(postgres_url, "status", "j1").stderr


def test_a_revision_can_be_named(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    SqlJobStore(url).close()

    down = run(url, "migrate", "--revision", "0001", "--json")
    assert down.exit_code == 0
    assert json.loads(down.stdout) == {"before": HEAD, "after": "0001"}

    wrong = run(url, "migrate", "--revision", "12")
    assert wrong.exit_code == 1
    assert "known: 0001" in wrong.stderr


def test_firestore_has_nothing_to_migrate(run: Run) -> None:
    result = run("firestore://demo", "migrate")
    assert result.exit_code == 1
    assert "firestore.indexes.json" in result.stderr


def test_a_database_that_does_not_answer_is_one_line(run: Run) -> None:
    result = run("postgresql+psycopg://nobody@127.0.0.1:9/nothing", "migrate")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the job store does not answer")
    assert len(result.stderr.splitlines()) == 1
