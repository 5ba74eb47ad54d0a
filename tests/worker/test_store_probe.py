"""What a probe finds out about the store, and how often it tries a write for that."""

import logging

import pytest

from tests.support.clocks import TickingClock
from worker.jobs.errors import StoreRefuses, StoreUnavailable
from worker.services.store_probe import WRITE_SECONDS, StoreProbe


class Asked:
    """Notes what it is asked, and answers as the test says."""

    def __init__(self) -> None:
        self.pings = self.writes = 0
        self.away: StoreUnavailable | None = None
        self.refusing: StoreUnavailable | None = None

    def ping(self) -> None:
        self.pings += 1
        if self.away is not None:
            raise self.away

    def try_write(self) -> None:
        self.writes += 1
        if self.refusing is not None:
            raise self.refusing


class Probing:
    def __init__(self) -> None:
        self.clock, self.store = TickingClock(), Asked()
        self.probe = StoreProbe(self.store, self.clock)

    def ask(self, after: float = 0.0) -> str | None:
        self.clock.advance(after)
        return self.probe.fault()


def test_each_question_reads_and_a_write_is_tried_now_and_then() -> None:
    probing = Probing()
    for _ in range(50):
        assert probing.ask(after=1.0) is None
    assert (probing.store.pings, probing.store.writes) == (50, 2)


def test_a_store_that_refuses_writes_is_told_until_it_takes_them_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    probing = Probing()
    assert probing.ask() is None
    probing.store.refusing = StoreRefuses("permission denied for table backtest_jobs")
    assert probing.ask(after=WRITE_SECONDS / 2) is None
    told = probing.ask(after=WRITE_SECONDS)
    assert told == "the store refuses: permission denied for table backtest_jobs"
    probing.store.refusing = None
    assert probing.ask(after=1) == told
    assert probing.ask(after=WRITE_SECONDS) is None
    assert [(record.levelname, vars(record)["event"]) for record in caplog.records] == [
        ("ERROR", "not_ready"),
        ("INFO", "ready_again"),
    ]


def test_the_address_of_a_store_that_is_away_is_for_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    probing = Probing()
    probing.store.away = StoreUnavailable('connection to server at "10.1.2.3" failed')
    assert probing.ask() == "the store does not answer"
    assert "10.1.2.3" in caplog.text
    probing.store.away = None
    assert probing.ask() is None
