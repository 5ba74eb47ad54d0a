"""Artifacts in a directory: complete series as Parquet files, named by their key."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from worker.adapters import parquet_table
from worker.adapters.atomic_files import replacing
from worker.jobs.job import Artifact


class ParquetFiles:
    """Stores under ``{directory}/{key}.parquet``; an artifact's ``uri`` is the file's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        """Write a table under ``key``, replacing an older one at once.

        Raises:
            ValueError: a key that is no plain relative path, or columns of different lengths.
        """
        path = self._directory / parquet_table.path_of(key)
        table = parquet_table.encode(columns)
        with replacing(path) as file:
            file.write(table.content)
        return Artifact(uri=path.resolve().as_uri(), rows=table.rows, sha256=table.sha256)

    def read(self, artifact: Artifact) -> bytes:
        """The Parquet file. Raises ``FileNotFoundError`` when it is gone."""
        return self._path(artifact).read_bytes()

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        """The Parquet file in pieces. Raises ``FileNotFoundError``, at once, when it is gone."""
        return _pieces(self._path(artifact).open("rb"))

    def remove(self, artifact: Artifact) -> None:
        """Delete the Parquet file. Raises ``FileNotFoundError`` when it is gone."""
        self._path(artifact).unlink()

    def _path(self, artifact: Artifact) -> Path:
        location = urlsplit(artifact.uri)
        path = Path(unquote(location.path)).resolve()
        if location.scheme != "file" or not path.is_relative_to(self._directory.resolve()):
            raise FileNotFoundError(f"{artifact.uri} lies in another artifact store")
        return path


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(parquet_table.CHUNK_BYTES):
            yield piece
