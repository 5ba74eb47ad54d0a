"""One job store, one place for artifacts: a process that keeps them elsewhere is found out.

The place holds a mark, a random id, and the job store remembers the mark of the place that belongs
to it. Processes with different places would each miss what the others have written.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from worker.jobs.errors import StoreUnavailable
from worker.jobs.job import Artifact
from worker.ports import ArtifactStore, Switches


class OtherArtifacts(StoreUnavailable):
    """ARTIFACTS is not where the other processes of this job store keep theirs."""

    said = "the artifacts are elsewhere"


class ArtifactPlace:
    """``where`` is what the setting says."""

    def __init__(self, store: Switches, artifacts: ArtifactStore, where: str) -> None:
        self._store = store
        self._artifacts = artifacts
        self._where = where
        self._lock = threading.Lock()
        self._is_sound = False
        self.fault: str | None = None
        """What the last look found, if it was not sound."""

    def require(self) -> None:
        """Look whether the place is the store's, until it once was. The first of all processes
        marks its place and has the store remember it.

        Raises:
            OtherArtifacts: it is another one.
            StoreUnavailable: nobody can tell now.
        """
        with self._lock:
            if self._is_sound:
                return
            self.fault = None
            known, mark = self._store.artifacts_mark(), self._artifacts.mark()
            if known is None:
                mark = mark or self._artifacts.set_mark(secrets.token_hex(16))
                known = self._store.remember_artifacts(mark, instead_of=None)
            if mark != known:
                self.fault = self._told(mark)
                raise OtherArtifacts(self.fault)
            self._is_sound = True

    def adopt(self) -> bool:
        """Make this the place of the store from now on; whether that changed anything.

        Raises:
            StoreUnavailable: nothing was changed, or nobody knows.
        """
        known = self._store.artifacts_mark()
        mark = self._artifacts.mark() or self._artifacts.set_mark(secrets.token_hex(16))
        if mark == known:
            return False
        return self._store.remember_artifacts(mark, instead_of=known) == mark

    def _told(self, mark: str | None) -> str:
        found = "one without its mark" if mark is None else "the place of another one"
        return (
            f"ARTIFACTS={self._where}: expected the place where the other processes of this job "
            f"store keep artifacts, got {found}; to use this place from now on, run "
            "backtest-worker artifacts adopt"
        )


class CheckedArtifacts:
    """An artifact store that writes and purges only where its job store's artifacts are."""

    def __init__(self, artifacts: ArtifactStore, place: ArtifactPlace) -> None:
        self._artifacts = artifacts
        self._place = place

    def put(self, key: str, columns: Mapping[str, Sequence[object]]) -> Artifact:
        self._place.require()
        return self._artifacts.put(key, columns)

    def read(self, artifact: Artifact) -> bytes:
        return self._artifacts.read(artifact)

    def chunks(self, artifact: Artifact) -> Iterator[bytes]:
        return self._artifacts.chunks(artifact)

    def remove(self, artifact: Artifact) -> None:
        self._artifacts.remove(artifact)

    def discard(self, owner: str, is_meant: Callable[[str], bool], before: datetime) -> int:
        self._place.require()
        return self._artifacts.discard(owner, is_meant, before)

    def mark(self) -> str | None:
        return self._artifacts.mark()

    def set_mark(self, mark: str) -> str:
        return self._artifacts.set_mark(mark)
