"""Artifacts as Parquet files in a directory."""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.lists import PART_ITEMS, LazyList, Numbers
from worker.adapters import parquet_table
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.artifact_keys import is_of_job
from worker.jobs.job import Artifact

COLUMNS = {"time": ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], "equity": [1.0, 2.5]}


@pytest.fixture
def artifacts(tmp_path: Path) -> ParquetFiles:
    return ParquetFiles(tmp_path / "with space")


def test_the_uri_is_one_that_other_programs_open(artifacts: ParquetFiles) -> None:
    artifact = artifacts.put("job-1/1/trades", COLUMNS)
    assert artifact.uri.startswith("file:///")
    assert artifact.uri.endswith("/with%20space/job-1/1/trades.parquet")


@pytest.mark.parametrize(
    "uri",
    [
        "gs://bucket/j/1/x.parquet",
        "file:///etc/passwd",
        "file:///{directory}/../secret.parquet",
        "file:///{directory}/j/1/absent.parquet",
    ],
)
def test_what_is_not_here_is_not_found(tmp_path: Path, uri: str) -> None:
    (tmp_path / "secret.parquet").write_bytes(b"secret")
    directory = tmp_path / "artifacts"
    uri = uri.replace("/{directory}", str(directory))
    with pytest.raises(FileNotFoundError):
        ParquetFiles(directory).read(Artifact(uri=uri, rows=1, sha256=""))


def test_columns_of_different_lengths_are_refused_and_leave_nothing(
    artifacts: ParquetFiles, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="length"):
        artifacts.put("j/1/x", {"a": [1.0], "b": [1.0, 2.0]})
    assert list(tmp_path.rglob("*.parquet")) == []


def test_the_module_does_not_load_pyarrow() -> None:
    code = "import sys, worker.adapters.parquet_files; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LATER = datetime.now(UTC) + timedelta(days=1)


def test_folders_that_are_left_empty_go_with_their_files(
    artifacts: ParquetFiles, tmp_path: Path
) -> None:
    artifacts.put("j/1/x", COLUMNS)
    artifacts.put("j/2/x", COLUMNS)
    artifacts.put("b/rows", COLUMNS)
    artifacts.put("b/1/x", COLUMNS)
    artifacts.discard("j", lambda _: True, LATER)
    artifacts.discard("b", lambda path: "/" in path, LATER)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["with space", "with space/b", "with space/b/rows.parquet"]


def test_what_a_killed_writer_left_is_discarded_too(
    artifacts: ParquetFiles, tmp_path: Path
) -> None:
    artifacts.put("j/1/x", COLUMNS)
    (tmp_path / "with space/j/1/.new-abc").write_bytes(b"half")
    assert artifacts.discard("j", is_of_job, LATER) == 2
    assert list(tmp_path.rglob(".new-*")) == []


def test_a_writer_does_not_mind_that_its_empty_folder_is_removed(
    artifacts: ParquetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another job's artifacts are discarded at the moment between the folder and the file."""
    make, removed = tempfile.mkstemp, []

    def make_late(**options: Any) -> tuple[int, str]:
        if len(removed) < 2:
            removed.append(artifacts.discard("j", lambda _: True, LATER))
        return make(**options)

    monkeypatch.setattr(tempfile, "mkstemp", make_late)
    artifact = artifacts.put("j/2/x", COLUMNS)
    assert removed == [0, 0]
    assert artifacts.read(artifact)


def test_a_folder_that_cannot_be_kept_is_an_error(
    artifacts: ParquetFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(**_: Any) -> tuple[int, str]:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "mkstemp", vanish)
    with pytest.raises(FileNotFoundError, match="removed all the time"):
        artifacts.put("j/1/x", COLUMNS)


def test_a_list_that_is_made_as_it_is_read_gives_the_same_file_and_is_never_whole() -> None:
    bars = 200_000
    figures = np.linspace(1.0, 2.0, bars)
    texts = [f"2020-01-01T{bar:08}Z" for bar in range(bars)]
    made: list[int] = []

    def part(chosen: slice | NDArray[np.int64]) -> list[str]:
        found = texts[chosen] if isinstance(chosen, slice) else [texts[at] for at in chosen]
        made.append(len(found))
        return found

    lazy = {"time": LazyList(bars, part), "equity": Numbers(figures)}
    plain = {"time": texts, "equity": figures.tolist()}
    assert parquet_table.encode(lazy).sha256 == parquet_table.encode(plain).sha256
    assert max(made) == PART_ITEMS


def test_an_empty_list_is_one_of_nothing() -> None:
    table = parquet_table.encode({"time": LazyList(0, lambda _: [])})
    assert table.rows == 0
