"""What every store does with bundles and their chunk jobs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.bundles import (
    ROWS,
    a_bundle,
    a_chunk_job,
    an_expanded_bundle,
    claim_chunk,
    expansion,
    finish_chunk,
    read_bundle,
)
from tests.support.jobs import (
    ADMITTED_AT,
    WANTED,
    an_admitted_job,
    claim_best,
    read,
)
from worker.jobs import transitions
from worker.jobs.bundle import BundleChange, BundleOutline, KeepResults
from worker.jobs.chunks import Chunk, ChunkTally, chunk_of
from worker.jobs.errors import BundleExists, Conflict, ErrorCode, RecordRefused
from worker.jobs.job import JobChange
from worker.jobs.lease import SERVER_TIME
from worker.jobs.states import JobStatus
from worker.ports import Store

NO_CHUNKS = ChunkTally()


class TestTheRecord:
    def test_a_new_bundle_is_read_as_it_was_created(self, store: Store) -> None:
        bundle = a_bundle(name="Sweep", priority=3, rank_by="calmar", keep_results=KeepResults.ALL)

        created = store.create_bundle(bundle)

        assert replace(created.bundle, created_at=None) == bundle
        assert created.bundle.created_at is not None
        again = read_bundle(store)
        assert (again.bundle, again.version) == (created.bundle, created.version)

    def test_a_list_of_variants_is_kept_in_order(self, store: Store) -> None:
        variants = [{"parameters.fast": fast, "label": f"n° {fast}"} for fast in range(1, 50)]

        store.create_bundle(a_bundle(variants=variants))

        stored = read_bundle(store).bundle
        assert stored.variants == variants
        assert stored.parameter_grid is None

    def test_a_grids_keys_are_kept_as_they_are(self, store: Store) -> None:
        grid = {
            "parameters.fast": {"start": 5, "stop": 10, "step": 5},
            "execution.stopLoss": [0.02, None],
        }
        store.create_bundle(a_bundle(parameter_grid=grid))
        assert read_bundle(store).bundle.parameter_grid == grid

    def test_a_grids_paths_keep_their_order_which_numbers_the_variants(self, store: Store) -> None:
        names = ("slow", "fast", "zeta", "alpha", "mid", "b", "y")
        paths = [f"parameters.{name}" for name in names]
        store.create_bundle(a_bundle(parameter_grid={path: [1, 2] for path in paths}))

        grid = read_bundle(store).bundle.parameter_grid

        assert grid is not None
        assert list(grid) == paths

    def test_variants_may_lie_in_an_artifact(self, store: Store) -> None:
        store.create_bundle(a_bundle(parameter_grid=None, variants_artifact=ROWS))
        assert read_bundle(store).bundle.variants_artifact == ROWS

    def test_an_id_is_taken_once(self, store: Store) -> None:
        store.create_bundle(a_bundle())
        with pytest.raises(BundleExists):
            store.create_bundle(a_bundle(user_id="eve"))
        assert read_bundle(store).bundle.user_id == "ann"

    @pytest.mark.parametrize("bundle_id", ["", "a/b", "ä", "x" * 129, "__x__"])
    def test_only_ids_of_the_pattern_are_kept(self, store: Store, bundle_id: str) -> None:
        with pytest.raises(RecordRefused):
            store.create_bundle(a_bundle(bundle_id))
        assert store.get_bundle(bundle_id) is None

    def test_an_unknown_bundle_is_none(self, store: Store) -> None:
        assert store.get_bundle("nobody") is None
        assert store.chunk_jobs("nobody") == []
        assert store.chunk_tally("nobody") == NO_CHUNKS

    def test_jobs_and_bundles_have_names_of_their_own(self, store: Store) -> None:
        store.create(an_admitted_job("same"))
        store.create_bundle(a_bundle("same"))
        assert read(store, "same").job.bundle_id is None
        assert store.chunk_jobs("same") == []

    def test_nearly_a_mebibyte_of_variants_is_kept(self, store: Store) -> None:
        variants = [{"label": f"{number:05}" + "x" * 95} for number in range(8_000)]
        store.create_bundle(a_bundle(variants=variants))
        assert read_bundle(store).bundle.variants == variants


class TestCommits:
    def test_a_commit_writes_its_fields_and_leaves_the_others(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle(name="Sweep"))

        after = store.commit_bundle(
            seen, BundleChange(total=6, completed=2, failed=1, progress=0.5)
        )

        assert after.bundle == replace(seen.bundle, total=6, completed=2, failed=1, progress=0.5)
        assert read_bundle(store).bundle == after.bundle
        assert read_bundle(store).version == after.version

    def test_the_stores_clock_is_written_where_it_is_asked_for(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        after = store.commit_bundle(seen, BundleChange(started_at=SERVER_TIME))
        assert after.bundle.started_at is not None
        assert read_bundle(store).bundle.started_at == after.bundle.started_at

    def test_an_end_is_kept_whole(self, store: Store) -> None:
        seen = an_expanded_bundle(store)
        summary = {
            "best": {"index": 3, "overrides": {"parameters.fast": 10}, "metrics": {"sharpe": 1.5}},
            "worst": None,
            "regimes": {"uptrend": 0.01, "downtrend": None},
            "metricRanges": {"sharpe": {"min": -0.5, "max": 1.5}},
        }
        change = BundleChange(
            status=JobStatus.COMPLETED,
            completed_at=SERVER_TIME,
            summary=summary,
            artifacts={"variants": ROWS},
            progress=1.0,
        )

        store.commit_bundle(seen, change)

        ended = read_bundle(store).bundle
        assert ended.status is JobStatus.COMPLETED
        assert ended.summary == summary
        assert ended.artifacts == {"variants": ROWS}
        assert ended.completed_at is not None

    def test_a_failure_is_kept_with_its_code(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        change = BundleChange(
            status=JobStatus.FAILED,
            error_code=ErrorCode.INVALID_CONFIG,
            error_message="rankBy: expected a metric.",
            admitted_at=SERVER_TIME,
        )
        store.commit_bundle(seen, change)
        ended = read_bundle(store).bundle
        assert (ended.status, ended.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
        assert ended.error_message == "rankBy: expected a metric."

    def test_who_has_read_an_older_state_writes_nothing(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        store.commit_bundle(seen, BundleChange(cancel_requested=True))
        change, jobs = expansion(seen)

        with pytest.raises(Conflict):
            store.commit_bundle(seen, change, jobs)

        assert read_bundle(store).bundle.status is JobStatus.QUEUED
        assert store.chunk_jobs("b1") == []

    def test_a_commit_to_a_bundle_that_is_not_there_is_a_conflict(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        ghost = replace(seen, bundle=replace(seen.bundle, bundle_id="ghost"))
        with pytest.raises(Conflict):
            store.commit_bundle(ghost, BundleChange(progress=0.5))


class TestExpansion:
    def test_bundle_and_chunk_jobs_are_one_commit(self, store: Store) -> None:
        after = an_expanded_bundle(store)

        assert after.bundle.status is JobStatus.RUNNING
        chunks = store.chunk_jobs("b1")
        assert [chunk_of(job) for job in chunks] == [
            Chunk(start=0, count=2),
            Chunk(start=2, count=2),
            Chunk(start=4, count=2),
        ]
        for job in chunks:
            assert (job.user_id, job.bundle_id, dict(job.config_used)) == ("ann", "b1", {})
            assert job.defects == ()
            assert job.created_at is not None

    def test_a_job_that_is_there_already_undoes_the_whole_commit(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        change, jobs = expansion(seen)
        store.create(an_admitted_job(jobs[1].job_id))

        with pytest.raises(Conflict):
            store.commit_bundle(seen, change, jobs)

        assert read_bundle(store).bundle.status is JobStatus.QUEUED
        assert store.chunk_jobs("b1") == []

    def test_of_many_expanders_one_wins(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())

        def expand(number: int) -> bool:
            change, jobs = expansion(seen, size=1 + number % 3)
            try:
                store.commit_bundle(seen, change, jobs)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as crowd:
            won = list(crowd.map(expand, range(8)))

        assert sum(won) == 1
        bundle = read_bundle(store).bundle
        assert bundle.chunks == len(store.chunk_jobs("b1"))
        assert sum(job.variants["count"] for job in store.chunk_jobs("b1")) == 6  # type: ignore[index]  # a chunk job has them

    def test_a_thousand_chunk_jobs_fit_in_one_commit(self, store: Store) -> None:
        an_expanded_bundle(store, "b" * 128, size=100, total=100_000)
        tally = store.chunk_tally("b" * 128)
        assert tally == ChunkTally(queued=1_000)
        assert tally.unfinished == 1_000

    def test_a_chunk_job_is_claimed_like_any_other(self, store: Store) -> None:
        an_expanded_bundle(store)
        store.create(an_admitted_job("later", 5.0))

        claimed = [claim_best(store) for _ in range(4)]

        own = [seen.job.bundle_id for seen in claimed if seen is not None]
        assert own == ["b1", "b1", "b1", None]


class TestTheTally:
    def test_it_counts_every_state(self, store: Store) -> None:
        an_expanded_bundle(store, size=1)
        finish_chunk(store, claim_chunk(store), completed=1, failed=0)
        finish_chunk(store, claim_chunk(store), completed=0, failed=1)
        lost = claim_chunk(store)
        store.commit(
            lost,
            transitions.fail(lost.job, lost.job.hold(), code=ErrorCode.WORKER_LOST, message="."),
        )
        running = claim_chunk(store)
        store.commit(running, JobChange(progress=0.25))

        assert store.chunk_tally("b1") == ChunkTally(
            queued=2,
            running=1,
            completed=2,
            failed=1,
            progress=0.25,
            variants_completed=1,
            variants_failed=1,
            variants_lost=1,
        )

    def test_a_chunk_that_does_not_say_which_variants_it_has_counts_for_none(
        self, store: Store
    ) -> None:
        an_expanded_bundle(store)
        for variants in ({"start": 0}, None):
            lost = claim_chunk(store)
            over = transitions.fail(
                lost.job, lost.job.hold(), code=ErrorCode.WORKER_LOST, message="."
            )
            store.commit(lost, over | JobChange(variants=variants))
        tally = store.chunk_tally("b1")
        assert (tally.unfinished, tally.variants_lost) == (1, 0)

    def test_it_counts_one_bundle_only(self, store: Store) -> None:
        an_expanded_bundle(store, "b1")
        an_expanded_bundle(store, "b2", size=3)
        store.create(an_admitted_job("alone"))
        assert store.chunk_tally("b2") == ChunkTally(queued=2)

    def test_a_chunks_counts_come_with_its_end(self, store: Store) -> None:
        an_expanded_bundle(store)
        claimed = claim_chunk(store)

        finish_chunk(store, claimed, completed=1, failed=1)

        ended = read(store, claimed.job.job_id).job
        before = chunk_of(claimed.job)
        assert before is not None
        assert chunk_of(ended) == replace(before, completed=1, failed=1)
        result = store.result(claimed.job.job_id)
        assert result is not None
        assert (result.user_id, dict(result.backtest_result)) == ("ann", {})
        assert result.artifacts == {"variants": ROWS}


class TestChunkJobsAreNobodysJobs:
    def test_they_are_not_listed(self, store: Store) -> None:
        an_expanded_bundle(store)
        store.create(an_admitted_job("own", 1.0))
        store.create(an_admitted_job("older", -1.0))
        page = store.jobs_of("ann", limit=1)
        assert [job.job_id for job in page.jobs] == ["own"]
        rest = store.jobs_of("ann", limit=5, cursor=page.cursor)
        assert [job.job_id for job in rest.jobs] == ["older"]

    def test_they_do_not_fill_the_queue_of_their_owner(self, store: Store) -> None:
        an_expanded_bundle(store)
        store.create(an_admitted_job("own"))
        assert store.queued_of("ann") == 1

    def test_they_are_at_work_like_jobs(self, store: Store) -> None:
        an_expanded_bundle(store)
        store.create(an_admitted_job("own", 1.0))
        claim_chunk(store)
        assert store.active_of("ann") == 4
        assert store.active_of("bob") == 0

    def test_their_bars_count_for_the_day(self, store: Store) -> None:
        an_expanded_bundle(store)
        store.create(an_admitted_job("own", bars=7))
        assert store.bars_of("ann", ADMITTED_AT - timedelta(days=1)) == 607
        assert store.bars_of("ann", ADMITTED_AT + timedelta(days=1)) == 0

    def test_those_that_wait_stand_in_line_with_their_owners_jobs(self, store: Store) -> None:
        seen = store.create_bundle(a_bundle())
        change, jobs = expansion(seen, size=3)
        waiting = [replace(job, rank=None, lane=None) for job in jobs]
        store.commit_bundle(seen, change, waiting)
        for job_id, user, place, priority in (
            ("earlier", "ann", -1.0, 0),
            ("first", "ann", 9.0, 5),
            ("bobs", "bob", 0.0, 0),
        ):
            store.create(
                an_admitted_job(
                    job_id, place, user_id=user, priority=priority, rank=None, lane=None
                )
            )

        assert store.waiting_users(limit=5) == ["ann", "bob"]
        assert store.waiting_users(limit=5, after="ann") == ["bob"]
        assert store.waiting_users(limit=1) == ["ann"]
        assert store.waiting_of("ann", limit=9) == [
            "first",
            "earlier",
            *sorted(job.job_id for job in jobs),
        ]
        assert store.waiting_of("ann", limit=3) == ["first", "earlier", jobs[0].job_id]
        assert claim_best(store) is None

    def test_the_fleet_counts_them(self, store: Store) -> None:
        an_expanded_bundle(store)
        claim_chunk(store)
        fleet = store.fleet(timedelta(minutes=5))
        assert (fleet.queued, fleet.running) == ({0: 2}, 1)
        backlog = store.backlog(WANTED.lane, "1.0.0")
        assert backlog is not None
        assert backlog.jobs == 2


class TestSearches:
    def test_queued_bundles_wait_for_their_expansion(self, store: Store) -> None:
        store.create_bundle(a_bundle("new"))
        store.create_bundle(a_bundle("seen", lane="push", admitted_at=ADMITTED_AT))
        store.create_bundle(a_bundle("theirs", lane="legacy", admitted_at=ADMITTED_AT))
        store.create_bundle(a_bundle("over", status=JobStatus.FAILED))
        an_expanded_bundle(store, "expanded")

        assert store.unexpanded_bundles(limit=9) == ["new", "seen"]

    def test_queued_bundles_are_paged_by_id(self, store: Store) -> None:
        for bundle_id in ("c", "a", "d", "b"):
            store.create_bundle(a_bundle(bundle_id))
        store.create_bundle(a_bundle("bb", lane="legacy", admitted_at=ADMITTED_AT))

        assert store.unexpanded_bundles(limit=2) == ["a", "b"]
        assert store.unexpanded_bundles(limit=2, after="b") == ["c", "d"]
        assert store.unexpanded_bundles(limit=2, after="d") == []

    def test_queued_bundles_that_are_to_wait_are_passed_over(self, store: Store) -> None:
        for bundle_id, wait in (("a", 3600), ("b", -3600), ("c", None)):
            seen = store.create_bundle(a_bundle(bundle_id))
            if wait is not None:
                due = seen.read_at + timedelta(seconds=wait)
                change = BundleChange(expansion_tries=2, next_expansion_at=due)
                after = store.commit_bundle(seen, change).bundle
                assert (after.expansion_tries, after.next_expansion_at) == (2, due)
                assert read_bundle(store, bundle_id).bundle == after

        assert store.unexpanded_bundles(limit=1) == ["b"]
        assert store.unexpanded_bundles(limit=9) == ["b", "c"]

    def test_running_bundles_are_paged_by_id(self, store: Store) -> None:
        for bundle_id in ("c", "a", "b"):
            an_expanded_bundle(store, bundle_id)
        store.create_bundle(a_bundle("aa"))
        ended = an_expanded_bundle(store, "d")
        store.commit_bundle(ended, BundleChange(status=JobStatus.FAILED))

        assert store.running_bundles(limit=2) == ["a", "b"]
        assert store.running_bundles(limit=2, after="b") == ["c"]
        assert store.running_bundles(limit=2, after="c") == []

    def test_bundles_that_have_not_ended_are_counted_by_owner(self, store: Store) -> None:
        an_expanded_bundle(store, "running")
        store.create_bundle(a_bundle("queued"))
        store.create_bundle(a_bundle("bobs", user_id="bob"))
        ended = an_expanded_bundle(store, "ended")
        store.commit_bundle(ended, BundleChange(status=JobStatus.COMPLETED))

        assert store.open_bundles_of("ann") == 2
        assert store.open_bundles_of("bob") == 1
        assert store.open_bundles_of("eve") == 0


class TestTheList:
    def test_a_users_bundles_come_newest_first_page_by_page(self, store: Store) -> None:
        for number in range(5):
            moment = ADMITTED_AT + timedelta(minutes=number % 3)
            store.create_bundle(a_bundle(f"b{number}", admitted_at=moment))
        store.create_bundle(a_bundle("bobs", user_id="bob", admitted_at=ADMITTED_AT))
        store.create_bundle(a_bundle("unseen"))

        first = store.bundles_of("ann", limit=2)
        second = store.bundles_of("ann", limit=2, cursor=first.cursor)
        third = store.bundles_of("ann", limit=2, cursor=second.cursor)

        ids = [bundle.bundle_id for page in (first, second, third) for bundle in page.bundles]
        assert ids == ["b2", "b4", "b1", "b3", "b0"]
        assert third.cursor is None

    def test_a_list_has_what_is_short_of_a_bundle(self, store: Store) -> None:
        """Its config and its variants may have megabytes."""
        expanded = an_expanded_bundle(store, name="Sweep", submitted_at="2026-01-05")
        bundle = store.commit_bundle(
            expanded,
            BundleChange(
                status=JobStatus.FAILED,
                completed_at=SERVER_TIME,
                completed=4,
                failed=2,
                progress=1.0,
                error_code=ErrorCode.CANCELLED,
                error_message="Enough.",
                summary={"best": None},
            ),
        ).bundle

        (listed,) = store.bundles_of("ann", limit=2).bundles

        values = {field.name: getattr(bundle, field.name) for field in fields(BundleOutline)}
        assert listed == BundleOutline(**values)
        assert None not in values.values()

    def test_a_cursor_that_no_page_gave_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="cursor"):
            store.bundles_of("ann", limit=2, cursor="nonsense")


def test_a_chunk_jobs_id_depends_on_when_its_bundle_was_created(store: Store) -> None:
    seen = store.create_bundle(a_bundle())
    again = replace(seen, bundle=replace(seen.bundle, created_at=datetime(2001, 1, 1, tzinfo=UTC)))
    chunk = Chunk(start=0, count=2)
    assert a_chunk_job(seen, 0, chunk).job_id != a_chunk_job(again, 0, chunk).job_id
    assert a_chunk_job(read_bundle(store), 0, chunk).job_id == a_chunk_job(seen, 0, chunk).job_id
