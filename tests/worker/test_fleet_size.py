"""How many pollers a queue deserves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.services.fleet_size import ScalingRule, wanted_pollers

RULE = ScalingRule(floor=1, ceiling=10, jobs_each=2, patience=15)


def wanted(
    current: int = 1,
    queued: int = 0,
    running: int = 0,
    oldest: float = 0.0,
    rule: ScalingRule = RULE,
) -> int:
    return wanted_pollers(
        rule, current=current, queued=queued, running=running, oldest_seconds=oldest
    )


def test_a_queue_that_has_waited_gets_a_poller_for_every_job() -> None:
    assert wanted(queued=7, running=2, oldest=20) == 5


def test_a_queue_that_has_just_come_is_left_to_the_pollers_there_are() -> None:
    assert wanted(current=2, queued=7, running=4, oldest=3) == 2


def test_where_nobody_is_nobody_is_waited_for() -> None:
    assert wanted(current=0, queued=3, oldest=0, rule=ScalingRule(floor=0, jobs_each=2)) == 2


@pytest.mark.parametrize("queued", [50, 5_000])
def test_there_are_never_more_than_the_ceiling(queued: int) -> None:
    assert wanted(queued=queued, oldest=1_000) == 10


def test_an_empty_queue_goes_down_by_half_of_what_is_idle() -> None:
    steps = [8]
    while steps[-1] > RULE.floor:
        steps.append(wanted(current=steps[-1]))

    assert steps == [8, 4, 2, 1]


def test_an_empty_installation_keeps_nobody_where_the_floor_is_nothing() -> None:
    assert wanted(current=1, rule=ScalingRule(floor=0)) == 0


def test_who_works_is_not_sent_home() -> None:
    """Six jobs run, in three pollers at least."""
    assert wanted(current=3, running=6) == 3
    assert wanted(current=7, running=6) == 5


def test_nobody_is_sent_home_while_jobs_wait() -> None:
    assert wanted(current=6, queued=1, running=0, oldest=100) == 6


def test_a_lower_ceiling_counts_at_once() -> None:
    assert wanted(current=9, running=18, rule=ScalingRule(floor=0, ceiling=4, jobs_each=2)) == 4


@pytest.mark.parametrize(
    "wrong", [{"floor": 3, "ceiling": 2}, {"floor": -1}, {"jobs_each": 0}], ids=str
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScalingRule(**wrong)


rules = st.builds(
    lambda floor, more, each: ScalingRule(floor=floor, ceiling=floor + more, jobs_each=each),
    st.integers(0, 5),
    st.integers(0, 20),
    st.integers(1, 8),
)
counts = st.integers(0, 500)


@given(rules, counts, counts, counts, st.floats(0, 1e5))
def test_the_answer_keeps_its_bounds_and_comes_to_rest(
    rule: ScalingRule, current: int, queued: int, running: int, oldest: float
) -> None:
    """Asked again and again about the same fleet it ends at one number."""
    answers = [current]
    for _ in range(40):
        answers.append(wanted(answers[-1], queued, running, oldest, rule))
        assert rule.floor <= answers[-1] <= rule.ceiling

    assert answers[-1] == answers[-2]
    enough = min(-(-running // rule.jobs_each), rule.ceiling, max(current, rule.floor))
    assert answers[-1] >= enough


@given(counts, counts, counts, st.floats(0, 1e5))
def test_more_work_never_means_fewer_pollers(
    current: int, queued: int, running: int, oldest: float
) -> None:
    assert wanted(current, queued + 1, running, oldest) >= wanted(current, queued, running, oldest)
    assert wanted(current, queued, running + 1, oldest) >= wanted(current, queued, running, oldest)
