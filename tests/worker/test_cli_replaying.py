"""``replay-failed`` on a store of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.control import CONFIG
from tests.support.jobs import an_admitted_job, read
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.cli import main
from worker.jobs import transitions
from worker.jobs.errors import ErrorCode, IllegalTransition
from worker.jobs.states import JobStatus
from worker.services.replaying import Replaying


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlJobStore:
    url = f"sqlite:///{tmp_path}/jobs.db"
    monkeypatch.setenv("STORE", url)
    monkeypatch.chdir(tmp_path)
    return SqlJobStore(url)


def call(*arguments: str) -> Result:
    done = CliRunner().invoke(main, ["replay-failed", *arguments])
    assert done.exit_code == 0, done.output
    return done


def fail(store: SqlJobStore, job_id: str, code: ErrorCode, **values: Any) -> None:
    seen = store.create(an_admitted_job(job_id, config_used=CONFIG, **values))
    store.commit(seen, transitions.reject(seen.job, code, "No."))


def status(store: SqlJobStore, job_id: str) -> JobStatus:
    return read(store, job_id).job.status


def test_all_that_failed_for_one_reason_are_queued_again(store: SqlJobStore) -> None:
    for job_id in ("b", "a"):
        fail(store, job_id, ErrorCode.WORKER_LOST)
    fail(store, "cancelled", ErrorCode.CANCELLED)

    told = json.loads(call("--code=WORKER_LOST", "--json").output)

    assert list(told.items()) == [("b", "queued"), ("a", "queued")]
    assert status(store, "a") is status(store, "b") is JobStatus.QUEUED
    assert read(store, "a").job.error_code is None
    assert status(store, "cancelled") is JobStatus.FAILED


def test_a_dry_run_changes_nothing(store: SqlJobStore) -> None:
    fail(store, "a", ErrorCode.TIMEOUT)

    assert call("--code=TIMEOUT", "--dry-run").output == "a  would be replayed\n"
    assert status(store, "a") is JobStatus.FAILED


def test_what_is_still_wrong_with_a_job_is_told(store: SqlJobStore) -> None:
    fail(store, "a", ErrorCode.ENGINE_ERROR, user_id=None)

    assert call("--code=ENGINE_ERROR").output == "a  failed: MISSING_USER\n"
    assert status(store, "a") is JobStatus.FAILED


def test_a_job_that_somebody_else_replays_meanwhile_is_left_alone(
    store: SqlJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(store, "a", ErrorCode.TIMEOUT)

    def too_late(*_: object) -> None:
        raise IllegalTransition("it is queued")

    monkeypatch.setattr(Replaying, "replay", too_late)

    assert call("--code=TIMEOUT").output == "a  left alone\n"


def test_a_limit_says_that_there_may_be_more(store: SqlJobStore) -> None:
    for number in range(3):
        fail(store, f"j{number}", ErrorCode.TIMEOUT)

    done = call("--code=TIMEOUT", "--limit=2")

    assert done.stdout.splitlines() == ["j0  queued", "j1  queued"]
    assert "more than 2" in done.stderr
    assert status(store, "j2") is JobStatus.FAILED


def test_nothing_to_replay_is_no_error(store: SqlJobStore) -> None:
    fail(store, "a", ErrorCode.TIMEOUT)

    assert call("--code=WORKER_LOST").output == ""


@pytest.mark.parametrize("wrong", [("--code=NONSENSE",), (), ("--code=TIMEOUT", "--hours=0")])
@pytest.mark.usefixtures("store")
def test_wrong_options_are_refused(wrong: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, ["replay-failed", *wrong]).exit_code == 2
