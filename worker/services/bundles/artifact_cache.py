"""Artifacts that were read lately: pages of the same table come one after another."""

import threading
from collections import OrderedDict

from worker.jobs.job import Artifact
from worker.ports import ArtifactStore

#: How much is kept, all together. A table of 100,000 variants has about 20 MB.
KEPT_BYTES = 32 * 1024 * 1024


class ArtifactCache:
    """Reads through to an artifact store. What was written under an artifact never changes: its
    hash is part of its name here.
    """

    def __init__(self, artifacts: ArtifactStore, kept_bytes: int = KEPT_BYTES) -> None:
        self._artifacts = artifacts
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._reading: dict[tuple[str, str], threading.Lock] = {}

    def read(self, artifact: Artifact) -> bytes:
        """The Parquet file. Raises ``FileNotFoundError`` when it is gone.

        Of many that ask for the same one at once, one reads it.
        """
        key = (artifact.uri, artifact.sha256)
        with self._lock:
            found = self._found(key)
            if found is not None:
                return found
            turn = self._reading.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                found = self._found(key)
            return self._read(key, artifact) if found is None else found

    def _found(self, key: tuple[str, str]) -> bytes | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def _read(self, key: tuple[str, str], artifact: Artifact) -> bytes:
        try:
            content = self._artifacts.read(artifact)
        except BaseException:
            with self._lock:
                self._reading.pop(key, None)
            raise
        with self._lock:
            self._reading.pop(key, None)
            self._kept[key] = content
            self._bytes += len(content)
            while self._bytes > self._kept_bytes:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return content
