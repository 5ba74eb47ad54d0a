"""Waiting jobs that nobody let in when there was room: their limits changed, or somebody died."""

from worker.ports import JobStore
from worker.services.passing_over import PassingOver
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.guarded import for_each
from worker.services.waiting import Waiting

#: Owners looked at in one sweep; the next one goes on behind them.
LIMIT = 50


class Waiters:
    """Goes round among the owners of waiting jobs."""

    name = "waiting"

    def __init__(self, store: JobStore, waiting: Waiting, aftermath: Aftermath) -> None:
        self._store = store
        self._over = PassingOver(store, "user")
        self._waiting = waiting
        self._aftermath = aftermath
        self._last = ""

    def run(self) -> int:
        users = self._store.waiting_users(limit=LIMIT, after=self._last)
        self._last = users[-1] if len(users) == LIMIT else ""
        return for_each(users, self._release, self._over)

    def _release(self, user_id: str) -> int:
        ranked = self._waiting.release(user_id)
        for job in ranked:
            self._aftermath.of(job)
        return len(ranked)
