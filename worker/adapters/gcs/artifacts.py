"""Artifacts in a bucket: complete series as Parquet objects, named by their key."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from worker.adapters import parquet_table
from worker.adapters.gcs.bucket import Bucket
from worker.jobs.job import Artifact

#: No key begins with a dot.
_MARK = ".mark"


class GcsArtifacts:
    """Stores under ``{address}/{key}.parquet``; an artifact's ``uri`` is the object's.

    All methods may raise ``BucketUnavailable``.
    """

    def __init__(self, address: str) -> None:
        self._bucket = Bucket(address)

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        """Write a table under ``key``, replacing an older one at once.

        Raises:
            ValueError: a key that is no plain relative path, or columns of different lengths.
        """
        path = parquet_table.path_of(key)
        table = parquet_table.encode(columns)
        self._bucket.write(path, io.BytesIO(table.content), parquet_table.MEDIA_TYPE)
        return Artifact(uri=self._bucket.uri(path), rows=table.rows, sha256=table.sha256)

    def read(self, artifact: Artifact) -> bytes:
        """The Parquet file. Raises ``FileNotFoundError`` when it is gone."""
        return b"".join(self.chunks(artifact))

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        """The Parquet file in pieces. Raises ``FileNotFoundError``, at once, when it is gone."""
        return self._bucket.chunks(self._found(artifact), parquet_table.CHUNK_BYTES)

    def remove(self, artifact: Artifact) -> None:
        """Delete the Parquet file. Raises ``FileNotFoundError`` when it is gone."""
        self._bucket.remove(self._found(artifact))

    def mark(self) -> str | None:
        """The id by which this part of the bucket is told from others, if it was given one."""
        found = self._bucket.find(_MARK)
        if found is None:
            return None
        return b"".join(self._bucket.chunks(found, parquet_table.CHUNK_BYTES)).decode()

    def set_mark(self, mark: str) -> str:
        """Give it an id unless it has one; the one that it has then."""
        known = self.mark()
        if known is not None:
            return known
        self._bucket.make(_MARK, io.BytesIO(mark.encode()), "text/plain")
        return self.mark() or mark

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        """Delete what was written below ``owner`` before a moment.

        ``is_meant`` is given paths below ``owner``. How many objects were deleted.
        """
        if not parquet_table.is_key(owner):
            return 0
        folder, count = f"{owner}/", 0
        for path, found in self._bucket.objects(folder):
            if is_meant(path.removeprefix(folder)) and found.time_created < before:
                # Replaced or deleted by others since it was listed: not the one that is meant.
                with suppress(FileNotFoundError):
                    self._bucket.remove(found)
                    count += 1
        return count

    def _found(self, artifact: Artifact) -> Any:
        path = self._bucket.path(artifact.uri)
        if path is None:
            raise FileNotFoundError(f"{artifact.uri} lies in another artifact store")
        found = self._bucket.find(path)
        if found is None:
            raise FileNotFoundError(artifact.uri)
        return found
