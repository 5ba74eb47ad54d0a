"""Records that are out of reach for a moment, among others."""

import logging

import pytest

from worker.jobs.errors import StoreUnavailable
from worker.services.passing_over import DELAYED_AT_ONCE, PassingOver


class Rows:
    """Some of them are locked."""

    def __init__(self, *locked: str) -> None:
        self.locked = set(locked)
        self.tried: list[str] = []
        self.is_away = False

    def ping(self) -> None:
        if self.is_away:
            raise StoreUnavailable("no answer")

    def write(self, record_id: str) -> str:
        self.tried.append(record_id)
        if record_id in self.locked:
            raise StoreUnavailable("canceling statement due to lock timeout")
        return record_id


def test_one_that_is_locked_is_left_for_later_and_told(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows("b")
    with caplog.at_level(logging.WARNING):
        assert PassingOver(rows, "bundle").each("abc", rows.write) == ["a", "c"]
    (told,) = caplog.records
    assert (told.__dict__["event"], told.__dict__["bundle_id"]) == ("bundle_delayed", "b")
    assert "lock timeout" in told.getMessage()


def test_of_many_that_are_locked_only_some_are_waited_for() -> None:
    rows = Rows(*"abcdef")
    over = PassingOver(rows)
    assert over.each("abcdefg", rows.write) == []
    assert rows.tried == list("abcdefg"[:DELAYED_AT_ONCE])
    assert over.has_given_up


def test_what_was_locked_before_is_tried_last() -> None:
    """A lock that nobody releases would else keep all that is behind it waiting."""
    rows = Rows(*"abcde")
    over = PassingOver(rows)
    found = [over.each("abcdefg", rows.write) for _ in range(3)]
    assert found == [[], ["f", "g"], ["f", "g"]]
    rows.locked.clear()
    assert sorted(over.each("abcde", rows.write)) == list("abcde")
    assert not over.has_given_up
    rows.tried.clear()
    over.each("abcde", rows.write)
    assert rows.tried == list("abcde")


def test_a_store_that_does_not_answer_ends_it_at_once() -> None:
    rows = Rows("a")
    rows.is_away = True
    with pytest.raises(StoreUnavailable):
        PassingOver(rows).each("ab", rows.write)
    assert rows.tried == ["a"]
