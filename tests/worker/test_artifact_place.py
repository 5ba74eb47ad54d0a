"""Processes of one job store that keep their artifacts in different places."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import TickingClock
from tests.support.command_line import Cli
from tests.support.jobs import an_admitted_job, read
from tests.support.pollers import CONFIG
from worker.adapters.memory import MemoryJobStore
from worker.adapters.parquet_files import ParquetFiles
from worker.adapters.sql import SqlJobStore
from worker.bootstrap import build_services, build_worker, require_artifacts
from worker.jobs.states import JobStatus
from worker.services.artifact_place import ArtifactPlace, CheckedArtifacts, OtherArtifacts
from worker.services.readiness import NotReady
from worker.settings import Settings, SettingsError, load_settings

COLUMNS = {"equity": [1.0]}


@pytest.fixture
def store() -> MemoryJobStore:
    return MemoryJobStore(TickingClock())


def place_of(store: MemoryJobStore, directory: Path) -> ArtifactPlace:
    return ArtifactPlace(store, ParquetFiles(directory), str(directory))


def test_the_first_process_marks_the_place_and_others_find_it(
    store: MemoryJobStore, tmp_path: Path
) -> None:
    for _ in range(3):
        place_of(store, tmp_path / "shared").require()
    assert ParquetFiles(tmp_path / "shared").mark() == store.artifacts_mark()


def test_one_with_another_place_is_told(store: MemoryJobStore, tmp_path: Path) -> None:
    place_of(store, tmp_path / "shared").require()
    place_of(MemoryJobStore(TickingClock()), tmp_path / "foreign").require()
    for name, found in (("empty", "without its mark"), ("foreign", "of another one")):
        place = place_of(store, tmp_path / name)
        with pytest.raises(OtherArtifacts, match=f"ARTIFACTS={tmp_path}/{name}.*{found}"):
            place.require()
        assert place.fault is not None
        assert "artifacts adopt" in place.fault


def test_it_writes_and_removes_nothing(store: MemoryJobStore, tmp_path: Path) -> None:
    place_of(store, tmp_path / "shared").require()
    files = ParquetFiles(tmp_path / "other")
    checked = CheckedArtifacts(files, ArtifactPlace(store, files, "other"))
    with pytest.raises(OtherArtifacts):
        checked.put("j1/1/x", COLUMNS)
    with pytest.raises(OtherArtifacts):
        checked.discard("j1", lambda _: True, TickingClock().now())
    assert not list((tmp_path / "other").rglob("*.parquet"))


def test_a_place_may_be_changed_on_purpose(store: MemoryJobStore, tmp_path: Path) -> None:
    place_of(store, tmp_path / "old").require()
    new = place_of(store, tmp_path / "new")
    assert new.adopt()
    assert not new.adopt()
    new.require()
    with pytest.raises(OtherArtifacts):
        place_of(store, tmp_path / "old").require()


def settings_of(directory: Path, artifacts: str, **more: Any) -> Settings:
    return load_settings(
        store=f"sqlite:///{directory}/jobs.db",
        candles=str(directory / "candles"),
        artifacts=str(directory / artifacts),
        **more,
    )


def test_a_process_does_not_start_with_another_place(tmp_path: Path) -> None:
    first = build_services(settings_of(tmp_path, "shared"))
    require_artifacts(first.artifact_place, first.settings)
    first.close()
    second = build_services(settings_of(tmp_path, "other"))
    with pytest.raises(SettingsError, match="ARTIFACTS="):
        require_artifacts(second.artifact_place, second.settings)
    second.close()


def test_a_job_that_would_write_elsewhere_goes_back_into_the_queue(tmp_path: Path) -> None:
    """Where nothing was looked at before the first write, as with a bucket."""
    store = SqlJobStore(f"sqlite:///{tmp_path}/jobs.db")
    place = ArtifactPlace(store, ParquetFiles(tmp_path / "shared"), "shared")
    place.require()
    long_path = [100.0 + bar % 7 for bar in range(60_000)]
    config = CONFIG | {"pricePath": long_path, "endDate": "2524-01-01"}
    store.create(an_admitted_job("j1", config_used=config))
    services = build_services(settings_of(tmp_path, "other"))
    worker = build_worker(services)
    with pytest.raises(NotReady, match="ARTIFACTS="):
        worker.drain.drain(services.clock.monotonic())
    job = read(store, "j1").job
    assert (job.status, job.interruptions) == (JobStatus.QUEUED, 1)
    services.close()
    store.close()


def test_adopting_over_the_command_line(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACTS", "first")
    assert "from now on" in cli("artifacts", "adopt").stdout
    assert "already" in cli("artifacts", "adopt").stdout
    monkeypatch.setenv("ARTIFACTS", "second")
    refused = cli("control", "--port", "0")
    assert refused.exit_code == 1
    assert "ARTIFACTS=second: expected the place" in refused.stderr
    assert "from now on" in cli("artifacts", "adopt").stdout
    assert (here / "second" / ".mark").exists()
