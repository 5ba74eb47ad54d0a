"""Pages of variants, in every order, of bundles that run and of those that have ended."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from engine.digest import SUMMARY_METRICS
from tests.support.bundle_runs import Workshop, a_bundle, open_workshop
from tests.support.markets import config
from worker.jobs.bundle import Bundle, BundleChange, KeepResults
from worker.jobs.job import Artifact
from worker.jobs.states import JobStatus
from worker.jobs.variants import VariantSource
from worker.ports import ArtifactStore
from worker.services.bundles import ended_rows, kept_results, paging
from worker.services.bundles.artifact_cache import ArtifactCache
from worker.services.bundles.ended_rows import EndedRows
from worker.services.bundles.paging import BadCursor, Only, Order, VariantPages
from worker.services.bundles.summary import merge

#: Twenty crosses: some refused, some that never trade (their ``winRate`` is null), some ties.
VARIANTS: list[dict[str, Any]] = [
    {"parameters.fast": 3 + place % 6, "parameters.slow": 6 + 100 * (place // 6)}
    for place in range(20)
]
SIZE = 7


class Site:
    """A bundle of twenty variants in three chunks."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.is_over = False
        self.bundle = a_bundle(
            base_config=config(endDate="2021-01-01"),
            variants=VARIANTS,
            rank_by="winRate",
            keep_results=KeepResults.ALL,
        )
        self.job_ids = workshop.queue(self.bundle, len(VARIANTS), SIZE)
        self.ended = EndedRows(workshop.store)
        self.pages = VariantPages(self.ended, ArtifactCache(workshop.artifacts))

    def stored(self) -> Bundle:
        """As it is before its end until ``finalise`` was called, whatever the worker did."""
        seen = self.workshop.store.get_bundle("b1")
        assert seen is not None
        if self.is_over:
            return seen.bundle
        return replace(seen.bundle, status=JobStatus.RUNNING, artifacts={}, summary=None)

    def finalise(self) -> None:
        self.is_over = True
        store = self.workshop.store
        seen = store.get_bundle("b1")
        assert seen is not None
        jobs = [self.workshop.job(job_id) for job_id in self.job_ids]
        variants = VariantSource.of(self.bundle)
        found = merge(self.bundle, variants, self.workshop.ended(jobs), self.workshop.artifacts)
        change = BundleChange(
            status=JobStatus.COMPLETED, artifacts=found.artifacts, summary=found.summary
        )
        store.commit_bundle(seen, change)

    def walk(self, order: Order, limit: int) -> list[int]:
        """The indices of all pages, one after another."""
        found: list[int] = []
        cursor: str | None = None
        for _ in range(30):
            page = self.pages.page(self.stored(), order, limit=limit, cursor=cursor)
            assert len(page.rows) <= limit
            found += [row["index"] for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                return found
            assert len(page.rows) == limit
        raise AssertionError("the pages do not end")

    def rows(self) -> list[dict[str, Any]]:
        """All rows that chunk jobs have left."""
        jobs = [self.workshop.job(job_id) for job_id in self.job_ids]
        return [row for job in jobs if job.status.is_final for row in self.workshop.rows(job)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(open_workshop(tmp_path))


def expected(rows: list[dict[str, Any]], order: Order) -> list[int]:
    """The rule as users are told it."""
    listed = [
        row
        for row in rows
        if order.only is None or (row["errorCode"] is None) is (order.only is Only.COMPLETED)
    ]

    def key(row: dict[str, Any]) -> tuple[bool, float, int]:
        value = row[order.sort]
        return value is None, (-1 if order.descending else 1) * (value or 0), row["index"]

    return [row["index"] for row in sorted(listed, key=key)]


@pytest.mark.parametrize("is_over", [False, True])
def test_every_order_in_pages_of_any_length(site: Site, is_over: bool) -> None:
    site.workshop.drain()
    if is_over:
        site.finalise()
    rows = site.rows()
    assert len({row["winRate"] for row in rows}) < len(rows) - 3
    for sort in ("index", "winRate", "totalReturn", "tradeCount"):
        for descending in (False, True):
            for only in (None, Only.COMPLETED, Only.FAILED):
                order = Order(sort=sort, descending=descending, only=only)
                for limit in (3, 20):
                    assert site.walk(order, limit) == expected(rows, order), (order, limit)


def test_a_page_has_whole_rows(site: Site) -> None:
    site.workshop.drain()
    running = site.pages.page(site.stored(), Order(), limit=20)
    site.finalise()
    over = site.pages.page(site.stored(), Order(), limit=20)
    assert list(running.rows) == list(over.rows) == site.rows()
    assert set(SUMMARY_METRICS) <= set(over.rows[0])


def test_while_it_runs_there_is_what_has_ended(site: Site) -> None:
    assert site.pages.page(site.stored(), Order(), limit=5) == paging.VariantPage([], None)
    assert site.pages.best(site.stored()) is None
    claimed = site.workshop.worker.drain._claiming.best()
    assert claimed is not None
    site.workshop.worker.drain._runner.run(claimed, site.workshop.clock.monotonic())
    assert site.walk(Order(), 5) == list(range(SIZE))
    assert site.pages.row(site.stored(), 2) is not None
    assert site.pages.row(site.stored(), SIZE) is None


def test_a_page_stays_right_while_more_rows_come(site: Site) -> None:
    """A cursor is a place in the order, not a number of rows."""
    order = Order(sort="totalReturn", descending=True, only=Only.COMPLETED)
    claimed = site.workshop.worker.drain._claiming.best()
    assert claimed is not None
    site.workshop.worker.drain._runner.run(claimed, site.workshop.clock.monotonic())
    first = site.pages.page(site.stored(), order, limit=2)
    site.workshop.drain()
    site.finalise()
    rest = site.pages.page(site.stored(), order, limit=20, cursor=first.cursor)
    everything = expected(site.rows(), order)
    behind = everything.index(first.rows[-1]["index"]) + 1
    assert [row["index"] for row in rest.rows] == everything[behind:]


def test_the_best_so_far_is_the_first_by_rank(site: Site) -> None:
    site.workshop.drain()
    order = Order(sort="winRate", descending=True, only=Only.COMPLETED)
    best = site.pages.best(site.stored())
    assert best is not None
    assert best["index"] == expected(site.rows(), order)[0]
    site.finalise()
    assert site.pages.best(site.stored()) == best


def test_a_chunk_that_failed_is_passed_over(site: Site) -> None:
    site.workshop.drain()
    store = site.workshop.store
    failed = site.job_ids[0]
    jobs = store.chunk_jobs
    store.chunk_jobs = lambda bundle_id: [  # type: ignore[method-assign]  # in its place
        job for job in jobs(bundle_id) if job.job_id != failed
    ]
    assert site.walk(Order(), 20) == list(range(SIZE, 20))


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ü",
        base64.urlsafe_b64encode(b"[1]").decode(),
        base64.urlsafe_b64encode(json.dumps(["index", False, None, "a", 1]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["sharpe", False, None, 1, 1]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["index", True, None, 1, 1]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["index", False, "failed", 1, 1]).encode()).decode(),
        base64.urlsafe_b64encode(b'["index", false, null, null, Infinity]').decode(),
        base64.urlsafe_b64encode(json.dumps(["index", False, None, 10**330, 1]).encode()).decode(),
    ],
)
def test_a_cursor_of_another_list_is_refused(site: Site, cursor: str) -> None:
    with pytest.raises(BadCursor, match="cursor"):
        site.pages.page(site.stored(), Order(), limit=5, cursor=cursor)


def test_results_are_where_their_chunk_or_the_bundle_keeps_them(site: Site) -> None:
    bundle = site.stored()
    assert site.ended.result_part(bundle, 1) is None
    site.workshop.drain()
    for index in range(20):
        part = site.ended.result_part(bundle, index)
        assert part is not None
        row = site.pages.row(bundle, index)
        kept = kept_results.find(site.workshop.artifacts.read(part), index)
        assert row is not None
        assert (kept is None) is (row["errorCode"] is not None)
        if kept is not None:
            assert kept["summaryDigest"] == row["summaryDigest"]
    site.finalise()
    assert site.ended.result_part(site.stored(), 1) is not None
    assert site.ended.result_part(site.stored(), 99) is None


class Counted:
    """An artifact store of files that are as long as they are said to be."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    def read(self, artifact: Artifact) -> bytes:
        self.reads.append(artifact.uri)
        if artifact.rows < 0:
            raise FileNotFoundError(artifact.uri)
        return bytes(artifact.rows)


def an_artifact(uri: str, length: int) -> Artifact:
    return Artifact(uri=uri, rows=length, sha256=f"hash of {uri} {length}")


def a_cache(kept_bytes: int) -> tuple[ArtifactCache, Counted]:
    counted = Counted()
    return ArtifactCache(cast(ArtifactStore, counted), kept_bytes), counted


def test_what_was_read_lately_is_not_read_again() -> None:
    cache, counted = a_cache(100)
    first, second, third = (an_artifact(uri, 40) for uri in "abc")
    for artifact in (first, second, first, third, first, second):
        assert cache.read(artifact) == bytes(40)
    assert counted.reads == ["a", "b", "c", "b"]


def test_what_is_larger_than_the_cache_is_read_each_time() -> None:
    cache, counted = a_cache(100)
    for _ in range(2):
        assert len(cache.read(an_artifact("a", 200))) == 200
    assert counted.reads == ["a", "a"]


def test_a_file_written_anew_is_another_artifact() -> None:
    cache, _ = a_cache(1_000)
    assert len(cache.read(an_artifact("a", 1))) == 1
    assert len(cache.read(an_artifact("a", 2))) == 2
    with pytest.raises(FileNotFoundError):
        cache.read(an_artifact("a", -1))


def test_few_chunks_are_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ended_rows, "KEPT_CHUNKS", 2)
    site.workshop.drain()
    asked: list[str] = []
    result = site.workshop.store.result

    def counted(job_id: str) -> Any:
        asked.append(job_id)
        return result(job_id)

    monkeypatch.setattr(site.workshop.store, "result", counted)
    for _ in range(2):
        assert len(site.ended.tables(site.stored())) == 3
    assert len(asked) == 6
    assert len(site.ended._kept) == 2
