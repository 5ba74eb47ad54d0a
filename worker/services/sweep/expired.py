"""What has outlived its retention goes, in stores that do not forget by themselves."""

from worker.ports import JobStore

#: Of each kind in one sweep; a store that has just been given a retention is emptied by and by.
LIMIT = 500


class Expired:
    """The maintenance job."""

    name = "purged"

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def run(self) -> int:
        return self._store.purge(limit=LIMIT)
