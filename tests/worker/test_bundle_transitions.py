"""What each change of a bundle writes, and from where it may start."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.bundles import ROWS, a_bundle
from tests.support.jobs import ADMITTED_AT
from worker.jobs import bundle_transitions
from worker.jobs.bundle import Bundle, BundleChange
from worker.jobs.chunks import ChunkTally
from worker.jobs.errors import ErrorCode, IllegalTransition, JobFailure
from worker.jobs.lease import SERVER_TIME
from worker.jobs.states import JobStatus

QUEUED = a_bundle()
RUNNING = a_bundle(status=JobStatus.RUNNING, total=10, chunk_size=4, chunks=3)
CANCELLED = JobFailure(ErrorCode.CANCELLED, "Gone.")


def expanded(bundle: Bundle) -> BundleChange:
    return bundle_transitions.expand(
        bundle,
        now=ADMITTED_AT,
        engine_version="1.0.0",
        priority=2,
        lane="push",
        total=10,
        chunk_size=4,
        chunks=3,
    )


def finished(bundle: Bundle, failure: JobFailure | None = None) -> BundleChange:
    return bundle_transitions.finish(
        bundle,
        completed=7,
        failed=3,
        failure=failure,
        summary={"best": None},
        artifacts={"variants": ROWS},
    )


class TestExpansion:
    def test_it_starts_the_bundle(self) -> None:
        change = expanded(QUEUED)
        assert change["status"] is JobStatus.RUNNING
        assert (change["total"], change["chunk_size"], change["chunks"]) == (10, 4, 3)
        assert (change["admitted_at"], change["started_at"]) == (ADMITTED_AT, SERVER_TIME)
        assert change["cancel_requested"] is False

    def test_a_bundle_that_was_seen_before_keeps_its_place(self) -> None:
        earlier = replace(QUEUED, admitted_at=ADMITTED_AT.replace(year=2025))
        assert expanded(earlier)["admitted_at"] == earlier.admitted_at


class TestTries:
    def test_each_is_counted_and_the_next_one_is_later(self) -> None:
        bundle, waits = QUEUED, []
        for _ in range(bundle_transitions.MOST_EXPANSION_TRIES):
            change = bundle_transitions.try_to_expand(bundle, now=ADMITTED_AT)
            waits.append((change["next_expansion_at"] - ADMITTED_AT).total_seconds() / 60)
            bundle = replace(bundle, **change)
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
        assert bundle.expansion_tries == len(waits)

    def test_after_the_last_one_the_bundle_is_given_up(self) -> None:
        tried = replace(QUEUED, expansion_tries=bundle_transitions.MOST_EXPANSION_TRIES)
        change = bundle_transitions.try_to_expand(tried, now=ADMITTED_AT)
        assert (change["status"], change["error_code"]) == (
            JobStatus.FAILED,
            ErrorCode.ENGINE_ERROR,
        )
        assert "10 tries" in (change["error_message"] or "")

    @pytest.mark.parametrize(
        ("minutes_old", "wait"), [(0, 1), (0.5, 1), (1, 1), (2, 2), (16, 16), (90, 60), (9_999, 60)]
    )
    def test_one_that_met_an_outage_is_taken_back_and_the_next_is_later(
        self, minutes_old: float, wait: int
    ) -> None:
        created_at = ADMITTED_AT - timedelta(minutes=minutes_old)
        tried = replace(QUEUED, created_at=created_at, expansion_tries=3)
        change = bundle_transitions.wait_to_expand(tried, now=ADMITTED_AT)
        assert change["next_expansion_at"] == ADMITTED_AT + timedelta(minutes=wait)
        assert change["expansion_tries"] == 2

    def test_no_fewer_than_none_are_counted(self) -> None:
        change = bundle_transitions.wait_to_expand(QUEUED, now=ADMITTED_AT)
        assert change["expansion_tries"] == 0

    def test_a_bundle_that_has_begun_is_not_waited_for(self) -> None:
        running = replace(QUEUED, status=JobStatus.RUNNING)
        with pytest.raises(IllegalTransition):
            bundle_transitions.wait_to_expand(running, now=ADMITTED_AT)


class TestRefusal:
    def test_it_ends_the_bundle_and_lists_it(self) -> None:
        change = bundle_transitions.refuse(QUEUED, CANCELLED)
        assert change["status"] is JobStatus.FAILED
        assert (change["error_code"], change["error_message"]) == (ErrorCode.CANCELLED, "Gone.")
        assert (change["completed_at"], change["admitted_at"]) == (SERVER_TIME, SERVER_TIME)


class TestCancel:
    def test_a_queued_bundle_ends(self) -> None:
        change = bundle_transitions.request_cancel(QUEUED)
        assert change is not None
        assert (change["status"], change["error_code"]) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        assert change["cancel_requested"] is True

    def test_a_running_bundle_is_marked_once(self) -> None:
        assert bundle_transitions.request_cancel(RUNNING) == {"cancel_requested": True}
        assert bundle_transitions.request_cancel(replace(RUNNING, cancel_requested=True)) is None

    @pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED])
    def test_one_that_has_ended_stays(self, status: JobStatus) -> None:
        assert bundle_transitions.request_cancel(replace(RUNNING, status=status)) is None


class TestProgress:
    def test_it_counts_what_has_ended_and_a_part_of_what_runs(self) -> None:
        tally = ChunkTally(
            queued=1, running=1, completed=1, progress=0.5, variants_completed=3, variants_failed=1
        )
        assert bundle_transitions.advance(RUNNING, tally) == {
            "completed": 3,
            "failed": 1,
            "progress": 0.6,
        }

    def test_variants_of_lost_chunks_have_failed(self) -> None:
        change = bundle_transitions.advance(RUNNING, ChunkTally(failed=1, variants_lost=4))
        assert change == {"completed": 0, "failed": 4, "progress": 0.4}

    def test_nothing_new_is_nothing_to_write(self) -> None:
        known = replace(RUNNING, completed=4, progress=0.4)
        assert bundle_transitions.advance(known, ChunkTally(variants_completed=4)) is None

    def test_progress_never_goes_back(self) -> None:
        known = replace(RUNNING, failed=4, progress=0.4)
        change = bundle_transitions.advance(known, ChunkTally(queued=3))
        assert change == {"completed": 0, "failed": 0, "progress": 0.4}

    def test_it_is_never_more_than_all(self) -> None:
        tally = ChunkTally(running=3, progress=2.9)
        assert bundle_transitions.progress_of(RUNNING, tally) == 1.0
        assert bundle_transitions.progress_of(replace(RUNNING, total=0), tally) == 0.0


class TestTheEnd:
    def test_a_bundle_of_which_something_came_is_completed(self) -> None:
        change = finished(RUNNING)
        assert change["status"] is JobStatus.COMPLETED
        assert (change["completed"], change["failed"], change["progress"]) == (7, 3, 1.0)
        assert change["artifacts"] == {"variants": ROWS}
        assert change["error_code"] is None

    def test_a_failure_ends_it_with_its_rows(self) -> None:
        change = finished(RUNNING, CANCELLED)
        assert (change["status"], change["error_code"]) == (JobStatus.FAILED, ErrorCode.CANCELLED)
        assert change["artifacts"] == {"variants": ROWS}


@pytest.mark.parametrize("status", list(JobStatus))
@pytest.mark.parametrize(
    ("change", "start"),
    [
        (expanded, JobStatus.QUEUED),
        (lambda one: bundle_transitions.try_to_expand(one, now=ADMITTED_AT), JobStatus.QUEUED),
        (lambda one: bundle_transitions.refuse(one, CANCELLED), JobStatus.QUEUED),
        (
            lambda one: bundle_transitions.leave(one, now=ADMITTED_AT, lane="legacy"),
            JobStatus.QUEUED,
        ),
        (lambda one: bundle_transitions.advance(one, ChunkTally()), JobStatus.RUNNING),
        (finished, JobStatus.RUNNING),
    ],
)
def test_each_change_starts_from_one_state(
    change: Callable[[Bundle], Any], start: JobStatus, status: JobStatus
) -> None:
    bundle = a_bundle(status=status)
    if status is start:
        change(bundle)
        return
    with pytest.raises(IllegalTransition, match=rf"is {status}; only a {start} bundle"):
        change(bundle)
