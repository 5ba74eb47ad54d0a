"""A process that could run nothing takes no job, and a fault of the machine ends none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import read
from tests.support.workers import WorkerParts, at_once, make_worker, raising
from worker.bootstrap.places import Places
from worker.jobs.errors import ErrorCode, JobFailure
from worker.jobs.states import JobStatus
from worker.services.readiness import NotReady
from worker.settings import SettingsError, load_settings


@pytest.fixture
def parts(tmp_path: Path) -> WorkerParts:
    """On a machine with both directories."""
    (tmp_path / "candles").mkdir()
    return make_worker(places=True, **places(tmp_path))


def places(directory: Path) -> dict[str, Any]:
    return {"candles": str(directory / "candles"), "artifacts": str(directory / "artifacts")}


FAULTS = [
    JobFailure(ErrorCode.DATA_NOT_FOUND, "There are no candles of SPY; none are held."),
    JobFailure(ErrorCode.DATA_INVALID, "The candles cannot be read."),
    OSError(28, "No space left on device"),
]


@pytest.mark.parametrize("error", FAULTS)
def test_what_fails_because_of_the_machine_goes_back_into_the_queue(
    parts: WorkerParts, tmp_path: Path, error: Exception
) -> None:
    def vanishing(*_: object) -> Any:
        (tmp_path / "candles").rmdir()
        raise error

    parts.queue("j1")
    parts.queue("j2", place=1)
    parts.engine.script = vanishing
    with pytest.raises(NotReady, match="CANDLES="):
        parts.drain()
    given_back = parts.job("j1")
    assert (given_back.status, given_back.interruptions) == (JobStatus.QUEUED, 1)
    assert (given_back.error_code, given_back.worker_losses) == (None, 0)
    assert parts.job("j2").attempt == 0
    assert [ring.job_id for ring in parts.doorbell.rings] == ["j1"]

    (tmp_path / "candles").mkdir()
    parts.engine.script = at_once
    assert parts.drain() == 2
    assert parts.job("j1").status is JobStatus.COMPLETED


@pytest.mark.parametrize("error", FAULTS)
def test_on_a_sound_machine_a_job_fails_as_ever(parts: WorkerParts, error: Exception) -> None:
    parts.queue("j1")
    parts.engine.script = raising(error)
    assert parts.drain() == 1
    assert parts.job("j1").status is JobStatus.FAILED


def test_a_push_and_a_replay_are_refused_for_the_time(
    parts: WorkerParts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "candles").rmdir()
    parts.queue("j1")
    for path in ("/pubsub/push", "/run"):
        answer = parts.client.post(path, json={"jobId": "j1"})
        assert answer.status_code == 503
        assert f"CANDLES={tmp_path}/candles" in answer.json()["detail"]
    assert parts.job("j1").attempt == 0
    told = [record for record in caplog.records if vars(record).get("event") == "machine_unfit"]
    assert len(told) == 1


def test_whoever_cannot_load_the_kernels_claims_nothing(parts: WorkerParts) -> None:
    parts.queue("j1")
    warm_up = parts.worker.warm_up
    warm_up._calls = replace(parts.engine.calls, run_backtest=raising(ImportError("no kernels")))
    warm_up.start()
    with pytest.raises(NotReady, match="kernels"):
        parts.drain()
    assert read(parts.store, "j1").job.attempt == 0


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda place: place.touch(), "CANDLES=.*: expected a directory.*, got: "),
        (lambda _: None, "CANDLES=.*: expected a directory that can be read, got: No such"),
    ],
)
def test_a_directory_that_is_none_is_refused_at_the_start(
    tmp_path: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    spoil(tmp_path / "candles")
    with pytest.raises(SettingsError, match=complaint):
        Places(load_settings(**places(tmp_path))).require(makes_candles=False)


def test_on_a_laptop_both_are_made(tmp_path: Path) -> None:
    Places(load_settings(**places(tmp_path))).require(makes_candles=True)
    assert {path.name for path in tmp_path.iterdir()} == {"candles", "artifacts"}
    assert list((tmp_path / "artifacts").iterdir()) == []
