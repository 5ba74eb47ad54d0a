"""Chunk jobs: ranges, names, counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.jobs import an_admitted_job
from worker.jobs.chunks import (
    Chunk,
    ChunkTally,
    chunk_job_id,
    chunk_of,
    ranges,
    start_of,
    tally,
)
from worker.jobs.job import Job, is_job_id
from worker.jobs.states import JobStatus

CREATED = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)


def a_chunk(**values: Any) -> Job:
    return an_admitted_job("c", config_used={}, bundle_id="b1", **values)


class TestRanges:
    @given(st.integers(1, 5_000), st.integers(1, 700))
    def test_they_cover_every_variant_once(self, total: int, size: int) -> None:
        chunks = list(ranges(total, size))
        covered = [
            index for chunk in chunks for index in range(chunk.start, chunk.start + chunk.count)
        ]
        assert covered == list(range(total))
        assert {chunk.count for chunk in chunks[:-1]} <= {size}


class TestIds:
    def test_they_are_job_ids_however_long_the_bundles_is(self) -> None:
        for bundle_id in ("b", "x" * 128, "__", "-"):
            assert is_job_id(chunk_job_id(bundle_id, CREATED, 999))

    def test_they_sort_like_their_numbers(self) -> None:
        ids = [chunk_job_id("b1", CREATED, number) for number in range(1_000)]
        assert sorted(ids) == ids
        assert len(set(ids)) == 1_000

    def test_they_are_of_this_bundle_alone(self) -> None:
        later = CREATED + timedelta(microseconds=1)
        long = "x" * 100
        ids = {
            chunk_job_id("b1", CREATED, 0),
            chunk_job_id("b2", CREATED, 0),
            chunk_job_id("b1", later, 0),
            chunk_job_id(f"{long}1", CREATED, 0),
            chunk_job_id(f"{long}2", CREATED, 0),
        }
        assert len(ids) == 5

    def test_a_moment_is_the_same_in_every_zone(self) -> None:
        elsewhere = CREATED.astimezone(timezone(timedelta(hours=9)))
        assert chunk_job_id("b1", CREATED, 3) == chunk_job_id("b1", elsewhere, 3)


class TestReading:
    def test_a_job_without_a_bundle_is_no_chunk(self) -> None:
        assert chunk_of(an_admitted_job("j")) is None
        assert not an_admitted_job("j").is_chunk

    def test_a_chunk_is_read_as_it_was_written(self) -> None:
        chunk = Chunk(start=4, count=2, completed=1, failed=1)
        job = a_chunk(variants=chunk.to_map())
        assert chunk_of(job) == chunk
        assert job.is_chunk
        assert start_of(job) == 4

    @pytest.mark.parametrize(
        "variants",
        [
            None,
            {},
            {"start": 0, "count": 0},
            {"start": -1, "count": 2},
            {"start": 0, "count": "2"},
            {"start": True, "count": 2},
        ],
    )
    def test_a_chunk_without_its_range_is_an_error(self, variants: Any) -> None:
        with pytest.raises(ValueError, match="range"):
            chunk_of(a_chunk(variants=variants))

    def test_a_range_of_another_kind_sorts_first(self) -> None:
        assert start_of(a_chunk(variants={"start": "x"})) == 0


class TestTally:
    def test_it_adds_up_what_chunk_jobs_say(self) -> None:
        job = a_chunk(variants=Chunk(start=0, count=10).to_map())
        ended = Chunk(start=0, count=10, completed=7, failed=3).to_map()
        jobs = [
            job,
            replace(job, status=JobStatus.RUNNING, progress=0.25),
            replace(job, status=JobStatus.RUNNING, progress=0.5),
            replace(job, status=JobStatus.COMPLETED, progress=1.0, variants=ended),
            replace(job, status=JobStatus.FAILED, progress=0.9),
        ]
        found = tally(jobs)
        assert found == ChunkTally(
            queued=1,
            running=2,
            completed=1,
            failed=1,
            progress=0.75,
            variants_completed=7,
            variants_failed=3,
            variants_lost=10,
        )
        assert found.unfinished == 3

    def test_a_chunk_job_without_a_range_counts_as_a_job_only(self) -> None:
        assert tally([a_chunk(status=JobStatus.FAILED)]) == ChunkTally(failed=1)
