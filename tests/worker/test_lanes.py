"""Users move from one system to the other by a share that only grows."""

from itertools import pairwise

import pytest

from worker.jobs.lanes import Rollout

USERS = [f"user-{number}" for number in range(2_000)]


def moved(percent: float) -> set[str]:
    rollout = Rollout(lane="push", percent=percent)
    return {user for user in USERS if rollout.lane_of(user) == "push"}


def test_nobody_and_everybody() -> None:
    assert moved(0) == set()
    assert moved(100) == set(USERS)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_the_share_is_about_what_was_asked(percent: float) -> None:
    assert len(moved(percent)) / len(USERS) * 100 == pytest.approx(percent, abs=3)


def test_a_larger_share_takes_nobody_out() -> None:
    shares = [moved(percent) for percent in (1, 5, 25, 60)]
    assert all(smaller < larger for smaller, larger in pairwise(shares))


def test_the_hash_is_the_same_everywhere_and_always() -> None:
    """A change of it would move users back and forth at a release."""
    rollout = Rollout(lane="poll", rest="push", percent=50)
    assert [rollout.lane_of(user) for user in ("ann", "bob", "cid", "dan")] == [
        "poll",
        "push",
        "push",
        "push",
    ]


def test_named_users_go_first() -> None:
    rollout = Rollout(lane="push", percent=0, users=frozenset({"ann"}))
    assert [rollout.lane_of(user) for user in ("ann", "bob")] == ["push", "legacy"]


def test_half_a_surrogate_pair_is_a_user_too() -> None:
    assert Rollout(lane="push", percent=0).lane_of("\ud800") == "legacy"
