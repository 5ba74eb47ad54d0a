"""Where a page of jobs ended, as an opaque text that clients hand back."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime

from worker.jobs.job import Job, may_name_a_record


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A job's place in a list: by time, then by id. A page starts behind the last one's end."""

    admitted_at: datetime
    job_id: str

    @classmethod
    def after(cls, job: Job) -> "Cursor":
        if job.admitted_at is None:
            raise ValueError(f"job {job.job_id} is not listed")
        return cls(job.admitted_at, job.job_id)

    def encode(self) -> str:
        content = json.dumps([self.admitted_at.isoformat(), self.job_id])
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises ValueError unless ``encode`` could have made it."""
        try:
            padded = text + "=" * (-len(text) % 4)
            time_text, job_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            admitted_at = datetime.fromisoformat(time_text)
        except (binascii.Error, ValueError, TypeError) as error:
            raise ValueError("this cursor was not given by a page") from error
        is_id = isinstance(job_id, str) and may_name_a_record(job_id)
        if admitted_at.tzinfo is None or not is_id:
            raise ValueError("this cursor was not given by a page")
        return cls(admitted_at, job_id)
