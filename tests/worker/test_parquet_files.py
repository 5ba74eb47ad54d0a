"""Artifacts as Parquet files in a directory."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.job import Artifact

COLUMNS = {"time": ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], "equity": [1.0, 2.5]}


@pytest.fixture
def artifacts(tmp_path: Path) -> ParquetFiles:
    return ParquetFiles(tmp_path / "with space")


def test_a_table_comes_back_whole(artifacts: ParquetFiles) -> None:
    artifact = artifacts.put("job-1/1/equityCurve", COLUMNS)
    content = artifacts.read(artifact)
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    assert table.to_pydict() == COLUMNS
    assert artifact.rows == 2
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()


def test_the_uri_is_one_that_other_programs_open(artifacts: ParquetFiles) -> None:
    artifact = artifacts.put("job-1/1/trades", COLUMNS)
    assert artifact.uri.startswith("file:///")
    assert artifact.uri.endswith("/with%20space/job-1/1/trades.parquet")


def test_the_same_table_has_the_same_hash(artifacts: ParquetFiles) -> None:
    assert artifacts.put("a/1/x", COLUMNS).sha256 == artifacts.put("b/2/x", COLUMNS).sha256


def test_missing_values_are_kept(artifacts: ParquetFiles) -> None:
    artifact = artifacts.put("j/1/trades", {"exit": [None, 3.0], "reason": [None, "signal"]})
    table = pyarrow.parquet.read_table(io.BytesIO(artifacts.read(artifact)))
    assert table.to_pydict() == {"exit": [None, 3.0], "reason": [None, "signal"]}


def test_an_older_table_is_replaced(artifacts: ParquetFiles) -> None:
    artifacts.put("j/1/x", COLUMNS)
    again = artifacts.put("j/1/x", {"equity": [7.0]})
    table = pyarrow.parquet.read_table(io.BytesIO(artifacts.read(again)))
    assert table.to_pydict() == {"equity": [7.0]}


def test_an_empty_table(artifacts: ParquetFiles) -> None:
    assert artifacts.put("j/1/x", {"equity": []}).rows == 0


@pytest.mark.parametrize(
    "key",
    ["", "/etc/x", "../x", "a/../../x", "a//b", "a/", ".hidden", "a/.b", "a b", "a\x00b", "ä"],
)
def test_a_key_cannot_leave_the_directory(artifacts: ParquetFiles, key: str) -> None:
    with pytest.raises(ValueError, match="cannot name an artifact"):
        artifacts.put(key, COLUMNS)


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
