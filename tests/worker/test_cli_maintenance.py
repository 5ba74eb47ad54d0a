"""``sweep``, ``pause`` and ``resume`` on a store of this machine."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.control import CONFIG
from tests.support.jobs import a_job, an_admitted_job, read
from tests.support.maintenance import abandoned
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.cli import main
from worker.jobs.states import JobStatus


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlJobStore:
    url = f"sqlite:///{tmp_path}/jobs.db"
    monkeypatch.setenv("STORE", url)
    monkeypatch.chdir(tmp_path)
    return SqlJobStore(url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_sweep_tells_what_it_did(store: SqlJobStore) -> None:
    store.create(abandoned("lost"))
    store.create(a_job("new", config_used=CONFIG))
    result = call("sweep", "--json")
    assert result.exit_code == 0
    done = json.loads(result.output)["done"]
    assert (done["expired_leases"], done["unadmitted"]) == (1, 1)
    assert read(store, "lost").job.status is JobStatus.QUEUED
    assert read(store, "new").job.is_admitted


def test_in_words_too(store: SqlJobStore) -> None:
    store.create(abandoned("lost"))
    output = call("sweep").output.splitlines()
    assert len({len(line) for line in output}) == 1, "counts are below each other"
    lines = dict(line.split() for line in output)
    assert lines["expired_leases"] == "1"
    assert lines["overdue"] == "0"


def test_pause_and_resume(store: SqlJobStore) -> None:
    store.create(an_admitted_job("j1"))
    assert call("pause", "--reason", "prices are wrong").exit_code == 0
    assert (store.pause().is_on, store.pause().reason) == (True, "prices are wrong")
    assert call("resume").exit_code == 0
    assert not store.pause().is_on


def test_without_a_store_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    result = call("pause")
    assert result.exit_code == 1
    assert "does not answer" in result.output
