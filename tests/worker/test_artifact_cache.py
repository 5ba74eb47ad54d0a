"""Artifacts that many ask for at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.patience import PATIENCE_SECONDS
from worker.jobs.job import Artifact
from worker.services.bundles.artifact_cache import ArtifactCache

FIRST, SECOND = (Artifact(uri=f"file:///{name}", rows=1, sha256=name) for name in "ab")


class Slow:
    """Answers when the test lets it, and notes who was read."""

    def __init__(self) -> None:
        self.read_uris: list[str] = []
        self.entered = threading.Event()
        self.release = threading.Event()

    def read(self, artifact: Artifact) -> bytes:
        self.read_uris.append(artifact.uri)
        self.entered.set()
        assert self.release.wait(PATIENCE_SECONDS)
        if artifact is SECOND:
            raise FileNotFoundError(artifact.uri)
        return b"rows"


def test_one_reads_for_all() -> None:
    slow = Slow()
    cache = ArtifactCache(slow)  # type: ignore[arg-type]  # it has what is asked for
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(cache.read, FIRST) for _ in range(8)]
        assert slow.entered.wait(PATIENCE_SECONDS)
        slow.release.set()
        assert {one.result() for one in found} == {b"rows"}
    assert slow.read_uris == [FIRST.uri]


def test_what_is_gone_is_told_to_each_and_kept_for_nobody() -> None:
    slow = Slow()
    slow.release.set()
    cache = ArtifactCache(slow)  # type: ignore[arg-type]  # it has what is asked for
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            cache.read(SECOND)
    assert len(slow.read_uris) == 2
    assert cache.read(FIRST) == b"rows"
