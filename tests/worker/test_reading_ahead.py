"""Reading several things at a time, and that bundles are read so."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundle_house import House, open_house
from tests.support.clocks import TickingClock
from worker.adapters.memory import MemoryJobStore
from worker.jobs.bundle import KeepResults
from worker.jobs.job import Artifact, ResultRecord
from worker.jobs.states import JobStatus
from worker.services.bundles.artifact_cache import ArtifactCache
from worker.services.bundles.ended_rows import EndedRows
from worker.services.bundles.paging import Order, VariantPages
from worker.services.bundles.reading_ahead import THREADS, read_ahead

#: How long a thread waits for others, however slow the machine is, before the test has failed.
PATIENCE = 60.0


class TestReadAhead:
    @pytest.mark.parametrize("count", [0, 1, 2, THREADS, 5 * THREADS + 3])
    def test_everything_comes_in_order(self, count: int) -> None:
        assert list(read_ahead(range(count), lambda item: item * 10)) == [
            item * 10 for item in range(count)
        ]

    def test_so_many_are_read_at_a_time(self) -> None:
        """None of the reads ends before all of the others have begun."""
        meeting = threading.Barrier(THREADS, timeout=PATIENCE)
        found = list(read_ahead(range(2 * THREADS), lambda _: meeting.wait()))
        assert sorted(found) == sorted([*range(THREADS)] * 2)

    def test_no_more_are_held_than_that(self) -> None:
        taken = 0
        ahead: list[int] = []

        def items() -> Iterator[int]:
            for item in range(10 * THREADS):
                ahead.append(item - taken)
                yield item

        for _ in read_ahead(items(), str):
            taken += 1
        assert taken == 10 * THREADS
        assert max(ahead) == THREADS

    def test_an_error_comes_in_its_items_place(self) -> None:
        def read(item: int) -> int:
            if item >= 3:
                raise FileNotFoundError(str(item))
            return item

        found = read_ahead(range(50), read)
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(FileNotFoundError, match="3"):
            next(found)

    def test_whoever_has_enough_leaves_the_rest_unread(self) -> None:
        read: list[int] = []
        some = read_ahead(range(100), read.append)
        next(some)
        some.close()  # type: ignore[attr-defined]  # a generator
        assert len(read) <= THREADS + 1
        assert not [one for one in threading.enumerate() if one.name.startswith("read-ahead")]

    def test_threads_know_whose_work_they_do(self) -> None:
        """Lines in the log name the job, whichever thread writes them."""
        about: ContextVar[str] = ContextVar("about", default="nobody")
        about.set("b1")
        assert list(read_ahead(range(3), lambda _: about.get())) == ["b1"] * 3

    def test_a_single_one_needs_no_thread(self) -> None:
        assert list(read_ahead([0], lambda _: threading.current_thread())) == [
            threading.current_thread()
        ]


CHUNKS = 6


class Distant:
    """Reads of results and of artifacts wait until as many are under way as there are chunks."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._results = threading.Barrier(CHUNKS, timeout=PATIENCE)
        self._files = threading.Barrier(CHUNKS, timeout=PATIENCE)
        self._result, self._read = house.store.result, house.artifacts.read
        monkeypatch.setattr(house.store, "result", self.result)
        monkeypatch.setattr(house.artifacts, "read", self.read)

    def result(self, job_id: str) -> ResultRecord | None:
        self._results.wait()
        return self._result(job_id)

    def read(self, artifact: Artifact) -> bytes:
        self._files.wait()
        return self._read(artifact)


class TestBundles:
    """One read after the other, a thousand chunks in a bucket take a minute."""

    @pytest.fixture
    def house(self, tmp_path: Path) -> House:
        house = open_house(MemoryJobStore(TickingClock()), tmp_path, chunk_size=1)
        house.expand(keep_results=KeepResults.NONE)
        house.work()
        assert len(house.chunks()) == CHUNKS <= THREADS
        return house

    def pages(self, house: House) -> VariantPages:
        return VariantPages(EndedRows(house.store), ArtifactCache(house.artifacts))

    def test_the_end_reads_all_chunks_at_once(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            Distant(house, patch)
            after = house.services.bundle_progress.update("b1")
        assert after is not None
        assert (after.bundle.status, after.bundle.completed) == (JobStatus.COMPLETED, 6)
        assert [row["index"] for row in house.rows()] == list(range(6))

    @pytest.mark.parametrize("look", ["best", "page"])
    def test_so_does_a_look_at_a_bundle_that_runs(
        self, house: House, monkeypatch: pytest.MonkeyPatch, look: str
    ) -> None:
        pages, bundle = self.pages(house), house.bundle()
        assert bundle.status is JobStatus.RUNNING
        looks: dict[str, Any] = {
            "best": lambda: [pages.best(bundle)],
            "page": lambda: pages.page(bundle, Order(), limit=6).rows,
        }
        # A file that was read is kept, so that each is read once.
        with monkeypatch.context() as patch:
            Distant(house, patch)
            found = looks[look]()
        assert [row["index"] for row in found] == list(range(len(found)))
        assert len(found) == (1 if look == "best" else 6)
