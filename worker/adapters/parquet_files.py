"""Artifacts in a directory: complete series as Parquet files, named by their key."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from worker.adapters.atomic_files import replacing
from worker.jobs.job import Artifact

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")

_SUFFIX = ".parquet"


class ParquetFiles:
    """Stores under ``{directory}/{key}.parquet``; an artifact's ``uri`` is the file's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        """Write a table under ``key``, replacing an older one at once.

        Raises:
            ValueError: a key that is no plain relative path, or columns of different lengths.
        """
        path = self._path(key)
        content = _encode(columns)
        with replacing(path) as file:
            file.write(content)
        return Artifact(
            uri=path.resolve().as_uri(),
            rows=len(next(iter(columns.values()), ())),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def read(self, artifact: Artifact) -> bytes:
        """The Parquet file. Raises ``FileNotFoundError`` when it is gone."""
        location = urlsplit(artifact.uri)
        path = Path(unquote(location.path)).resolve()
        if location.scheme != "file" or not path.is_relative_to(self._directory.resolve()):
            raise FileNotFoundError(f"{artifact.uri} lies in another artifact store")
        return path.read_bytes()

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot name an artifact")
        return self._directory / f"{key}{_SUFFIX}"


def _encode(columns: Mapping[str, Sequence[object]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()
