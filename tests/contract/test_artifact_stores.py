"""What every place for artifacts promises: a directory and a bucket alike."""

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet
import pytest

from worker.adapters import parquet_table
from worker.adapters.gcs import GcsArtifacts
from worker.adapters.parquet_files import ParquetFiles
from worker.jobs.artifact_keys import is_of_bundle, is_of_job
from worker.jobs.job import Artifact
from worker.ports import ArtifactStore

COLUMNS = {"time": ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], "equity": [1.0, 2.5]}


@pytest.fixture(params=["directory", "bucket", "prefix in a bucket"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "directory":
        return ParquetFiles(tmp_path / "with space")
    bucket = request.getfixturevalue("bucket")
    return GcsArtifacts(f"gs://{bucket}/results" if "prefix" in request.param else f"gs://{bucket}")


def table(artifacts: ArtifactStore, artifact: Artifact) -> dict[str, list[object]]:
    return pyarrow.parquet.read_table(io.BytesIO(artifacts.read(artifact))).to_pydict()


def test_a_table_comes_back_whole(artifacts: ArtifactStore) -> None:
    artifact = artifacts.put("job-1/1/equityCurve", COLUMNS)
    content = artifacts.read(artifact)
    assert table(artifacts, artifact) == COLUMNS
    assert (artifact.rows, artifact.sha256) == (2, hashlib.sha256(content).hexdigest())
    assert artifact.uri.endswith("/job-1/1/equityCurve.parquet")


def test_a_long_table_comes_in_pieces(
    artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_table, "CHUNK_BYTES", 10_000)
    artifact = artifacts.put("j/1/x", {"equity": [bar**0.5 for bar in range(10_000)]})
    pieces = list(artifacts.chunks(artifact))
    assert len(pieces) > 5
    assert max(map(len, pieces)) == 10_000
    assert b"".join(pieces) == artifacts.read(artifact)


def test_the_same_table_has_the_same_hash(artifacts: ArtifactStore) -> None:
    assert artifacts.put("a/1/x", COLUMNS).sha256 == artifacts.put("b/2/x", COLUMNS).sha256


def test_missing_values_are_kept(artifacts: ArtifactStore) -> None:
    columns = {"exit": [None, 3.0], "reason": [None, "signal"]}
    assert table(artifacts, artifacts.put("j/1/trades", columns)) == columns


def test_an_older_table_is_replaced(artifacts: ArtifactStore) -> None:
    artifacts.put("j/1/x", COLUMNS)
    assert table(artifacts, artifacts.put("j/1/x", {"equity": [7.0]})) == {"equity": [7.0]}


def test_an_empty_table(artifacts: ArtifactStore) -> None:
    artifact = artifacts.put("j/1/x", {"equity": []})
    assert (artifact.rows, table(artifacts, artifact)) == (0, {"equity": []})


@pytest.mark.parametrize(
    "key",
    ["", "/etc/x", "../x", "a/../../x", "a//b", "a/", ".hidden", "a/.b", "a b", "a\x00b", "ä"],
)
def test_a_key_is_a_plain_path(artifacts: ArtifactStore, key: str) -> None:
    with pytest.raises(ValueError, match="cannot name an artifact"):
        artifacts.put(key, COLUMNS)


def test_columns_of_different_lengths_are_refused(artifacts: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="length"):
        artifacts.put("j/1/x", {"a": [1.0], "b": [1.0, 2.0]})


@pytest.mark.parametrize(
    "change",
    [
        lambda uri: uri.replace("/j/1/", "/j/2/"),
        lambda uri: uri.rpartition("/j/")[0] + "elsewhere/j/1/x.parquet",
        lambda uri: uri.rpartition("/j/")[0] + "/",
        lambda _: "gs://another-bucket/j/1/x.parquet",
        lambda _: "file:///etc/passwd",
        lambda _: "memory:x",
        lambda _: "",
    ],
)
def test_what_is_not_here_is_not_found_at_once(
    artifacts: ArtifactStore, change: Callable[[str], str]
) -> None:
    here = artifacts.put("j/1/x", COLUMNS)
    other = Artifact(uri=change(here.uri), rows=1, sha256="")
    with pytest.raises(OSError, match=r".*") as caught:
        artifacts.chunks(other)
    assert isinstance(caught.value, FileNotFoundError | IsADirectoryError)
    with pytest.raises(OSError, match=r".*"):
        artifacts.read(other)
    with pytest.raises(OSError, match=r".*"):
        artifacts.remove(other)
    assert table(artifacts, here) == COLUMNS


def test_what_is_removed_is_gone_and_nothing_else(artifacts: ArtifactStore) -> None:
    kept, removed = artifacts.put("j/1/x", COLUMNS), artifacts.put("j/1/y", COLUMNS)
    artifacts.remove(removed)
    with pytest.raises(FileNotFoundError):
        artifacts.read(removed)
    with pytest.raises(FileNotFoundError):
        artifacts.remove(removed)
    assert table(artifacts, kept) == COLUMNS


LATER = datetime.now(UTC) + timedelta(days=1)


def test_what_lies_below_an_owner_is_discarded_and_nothing_else(artifacts: ArtifactStore) -> None:
    gone = [artifacts.put(f"j/{attempt}/{name}", COLUMNS) for attempt in (1, 2) for name in "xy"]
    kept = [artifacts.put(key, COLUMNS) for key in ("j-2/1/x", "jj/1/x", "other/j/1", "j2")]

    assert artifacts.discard("j", lambda _: True, LATER) == 4

    for artifact in gone:
        with pytest.raises(FileNotFoundError):
            artifacts.read(artifact)
    assert [table(artifacts, artifact) for artifact in kept] == [COLUMNS] * 4
    assert artifacts.discard("j", lambda _: True, LATER) == 0


def test_only_what_is_meant_is_discarded(artifacts: ArtifactStore) -> None:
    of_job, of_bundle = artifacts.put("id/1/x", COLUMNS), artifacts.put("id/rows-1", COLUMNS)
    asked: list[str] = []

    def is_meant(path: str) -> bool:
        asked.append(path)
        return is_of_job(path)

    assert artifacts.discard("id", is_meant, LATER) == 1
    assert sorted(asked) == ["1/x.parquet", "rows-1.parquet"]
    assert table(artifacts, of_bundle) == COLUMNS
    with pytest.raises(FileNotFoundError):
        artifacts.read(of_job)
    assert artifacts.discard("id", is_of_bundle, LATER) == 1


def test_what_was_written_later_is_not_discarded(artifacts: ArtifactStore) -> None:
    """A new attempt, or a new job of an old name, may be writing at this moment."""
    kept = artifacts.put("j/1/x", COLUMNS)
    assert artifacts.discard("j", lambda _: True, datetime.now(UTC) - timedelta(hours=1)) == 0
    assert table(artifacts, kept) == COLUMNS


@pytest.mark.parametrize("owner", ["", ".", "..", "../with space", "/", "a b", "unknown"])
def test_where_nothing_can_lie_nothing_is_discarded(artifacts: ArtifactStore, owner: str) -> None:
    kept = artifacts.put("j/1/x", COLUMNS)
    assert artifacts.discard(owner, lambda _: True, LATER) == 0
    assert table(artifacts, kept) == COLUMNS


def test_another_may_be_faster_at_discarding(artifacts: ArtifactStore) -> None:
    """Two sweeps at once: each finds what the other has deleted meanwhile."""
    artifacts.put("j/1/x", COLUMNS)
    artifacts.put("j/1/y", COLUMNS)

    def is_meant(_: str) -> bool:
        artifacts.discard("j", lambda _: True, LATER)
        return True

    assert artifacts.discard("j", is_meant, LATER) == 0


def test_a_place_gets_its_mark_once(artifacts: ArtifactStore) -> None:
    assert artifacts.mark() is None
    assert artifacts.set_mark("first") == "first"
    assert artifacts.set_mark("second") == "first"
    assert artifacts.mark() == "first"


def test_what_is_purged_leaves_the_mark(artifacts: ArtifactStore) -> None:
    artifacts.set_mark("mark")
    artifacts.put("job-1/1/equityCurve", COLUMNS)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert artifacts.discard("job-1", is_of_job, tomorrow) == 1
    assert artifacts.discard(".mark", lambda _: True, tomorrow) == 0
    assert artifacts.mark() == "mark"
