"""A store that records every write, and at which a process may die or lose an answer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.histories import History
from worker.jobs.errors import OutcomeUnknown
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.ports import JobStore, Wanted


class Crash(BaseException):
    """The process died here."""


class FaultyStore:
    """``fault`` befalls the write after ``writes`` further ones: ``before`` and ``after`` are
    deaths of the process, ``lost`` and ``unheard`` answers that never come.
    """

    def __init__(self, store: JobStore) -> None:
        self.store = store
        self.history = History()
        self.fault: str | None = None
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def create(self, job: Job) -> Snapshot:
        return self._write(lambda: self.store.create(job))

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        return self._write(lambda: self.store.commit(seen, change, result, by=by))

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        return self._write(lambda: self.store.take_best(wanted, decide))

    def _write(self, write: Callable[[], Any]) -> Any:
        fault = self.fault if self.writes == 0 else None
        self.writes -= 1
        if fault == "before":
            raise Crash
        if fault == "lost":
            raise OutcomeUnknown("no answer")
        written = write()
        if written is not None:
            self.history.wrote(written.job)
        if fault == "after":
            raise Crash
        if fault == "unheard":
            raise OutcomeUnknown("no answer")
        return written
