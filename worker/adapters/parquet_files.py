"""Artifacts in a directory: complete series as Parquet files, named by their key."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from worker.adapters import parquet_table
from worker.adapters.atomic_files import made_once, replacing
from worker.jobs.job import Artifact

#: No key begins with a dot.
MARK_FILE = ".mark"


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

    def mark(self) -> str | None:
        """The id by which this directory is told from others, if it was given one."""
        with suppress(FileNotFoundError):
            return (self._directory / MARK_FILE).read_text() or None
        return None

    def set_mark(self, mark: str) -> str:
        """Give the directory an id unless it has one; the one that it has then."""
        made_once(self._directory / MARK_FILE, mark.encode())
        return self.mark() or mark

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        """Delete what was written below ``owner`` before a moment, and folders left empty by it.

        ``is_meant`` is given paths below ``owner``. Files that a writer left half-made are among
        them, under names of their own. How many files were deleted.
        """
        if not parquet_table.is_key(owner):
            return 0
        root, count = self._directory / owner, 0
        for folder, _, names in os.walk(root, topdown=False):
            for name in names:
                path = Path(folder, name)
                if is_meant(path.relative_to(root).as_posix()):
                    count += _unlinked(path, before)
            with suppress(OSError):
                Path(folder).rmdir()
        return count

    def _path(self, artifact: Artifact) -> Path:
        location = urlsplit(artifact.uri)
        path = Path(unquote(location.path)).resolve()
        if location.scheme != "file" or not path.is_relative_to(self._directory.resolve()):
            raise FileNotFoundError(f"{artifact.uri} lies in another artifact store")
        return path


def _unlinked(path: Path, before: datetime) -> int:
    """1 if the file was there, old enough, and is deleted now."""
    with suppress(FileNotFoundError):
        if path.stat().st_mtime < before.timestamp():
            path.unlink()
            return 1
    return 0


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(parquet_table.CHUNK_BYTES):
            yield piece
