"""Jobs whose creation nobody heard of."""

from worker.jobs.states import JobStatus
from worker.ports import JobStore
from worker.services.admission import Admission
from worker.services.passing_over import PassingOver
from worker.services.sweep.aftermath import Aftermath
from worker.services.sweep.guarded import for_each

LIMIT = 200


class Unadmitted:
    """Admits them and rings."""

    name = "unadmitted"

    def __init__(self, store: JobStore, admission: Admission, aftermath: Aftermath) -> None:
        self._store = store
        self._over = PassingOver(store)
        self._admission = admission
        self._aftermath = aftermath

    def run(self) -> int:
        return for_each(self._store.unadmitted(limit=LIMIT), self._admit, self._over)

    def _admit(self, job_id: str) -> int:
        seen = self._admission.admit_id(job_id)
        if seen is None or (seen.job.status is JobStatus.QUEUED and seen.job.admitted_at is None):
            return 0
        self._aftermath.of(seen.job)
        return 1
