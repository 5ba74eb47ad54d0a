"""Priority is strict inside the ageing horizon, and nobody waits for ever beyond it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.conftest import STORES
from tests.support.admissions import POLICY, check
from tests.support.jobs import ADMITTED_AT, CONFIG, WANTED, a_job, a_lease, claim_best
from worker.jobs import transitions
from worker.jobs.job import JobChange, Snapshot
from worker.ports import JobStore
from worker.services.admission import Admission

#: More than any store looks at in one query; the emulator is slow to fill.
CROWDS = dict(zip((store.values[0] for store in STORES), (1_000, 1_000, 1_000, 60), strict=True))


def admitted(store: JobStore, job_id: str, seconds: float, priority: int = 0) -> None:
    """A job that admission has seen so many seconds after the first one."""
    policy = replace(POLICY, max_priority=9)
    seen = store.create(a_job(job_id, priority=priority, config_used=CONFIG))
    now = ADMITTED_AT + timedelta(seconds=seconds)
    store.commit(seen, Admission(store, policy, check).decide(seen.job, now))  # type: ignore[arg-type]  # a decision is a change


def next_ids(store: JobStore, count: int) -> list[str]:
    claimed = [claim_best(store) for _ in range(count)]
    return [one.job.job_id for one in claimed if one is not None]


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_a_job_of_high_priority_behind_a_crowd_runs_next(
    store: JobStore, request: pytest.FixtureRequest
) -> None:
    crowd = CROWDS[request.node.callspec.params["store"]]
    for number in range(crowd):
        admitted(store, f"j{number}", number)
    admitted(store, "urgent", crowd, priority=9)
    admitted(store, "less-urgent", crowd + 1, priority=1)

    assert next_ids(store, 3) == ["urgent", "less-urgent", "j0"]


def test_what_is_older_than_the_horizon_goes_before_higher_priority(store: JobStore) -> None:
    horizon = 9 * POLICY.ageing_seconds
    admitted(store, "patient", 0)
    admitted(store, "just-in-time", horizon - 1, priority=9)
    admitted(store, "too-late", horizon + 1, priority=9)

    assert next_ids(store, 3) == ["just-in-time", "patient", "too-late"]


def test_low_priority_waits_for_everybody_of_the_last_hours_and_no_longer(store: JobStore) -> None:
    admitted(store, "idle", 0, priority=-9)
    admitted(store, "same-day", 9 * POLICY.ageing_seconds - 1)
    admitted(store, "next-day", 9 * POLICY.ageing_seconds + 1)

    assert next_ids(store, 3) == ["same-day", "idle", "next-day"]


def test_a_decision_sees_only_the_best(store: JobStore) -> None:
    """A claim that examined more candidates than it takes would lock or read them in vain."""
    for number in range(5):
        admitted(store, f"j{number}", number)
    seen: list[str] = []

    def decide(snapshot: Snapshot) -> JobChange:
        seen.append(snapshot.job.job_id)
        return transitions.claim(snapshot.job, lease=a_lease())

    store.take_best(WANTED, decide)
    assert seen == ["j0"]
