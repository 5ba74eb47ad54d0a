"""Linux tells which processors a process may use, macOS and Windows only how many there are."""

import os

import pytest

from engine.sweeps.processors import processors


def test_those_that_may_be_used_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert processors() == 3


@pytest.mark.parametrize(("told", "counted"), [(8, 8), (None, 1)])
def test_all_are_counted_where_nobody_tells_which_may_be_used(
    told: int | None, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: told)
    assert processors() == counted
