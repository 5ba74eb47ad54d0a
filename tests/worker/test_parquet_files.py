"""Artifacts as Parquet files in a directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from worker.adapters.parquet_files import ParquetFiles
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
