"""The four states of a job and the spellings in which clients write them."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Shipped clients know these four and throw on a fifth."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED)


class EnumStyle(StrEnum):
    """How the submitting client spells enumerations: bare, or with the Dart type before them."""

    PLAIN = "plain"
    DART = "dart"


#: Spellings of the first state that admission accepts and rewrites to ``queued``.
DART_QUEUED = "CloudBacktestStatus.queued"
LEGACY_QUEUED = "Pending"


def read_status(text: str) -> tuple[JobStatus, EnumStyle]:
    """Read a stored status.

    Raises:
        ValueError: the text is none of the accepted spellings.
    """
    if text == DART_QUEUED:
        return JobStatus.QUEUED, EnumStyle.DART
    if text == LEGACY_QUEUED:
        return JobStatus.QUEUED, EnumStyle.PLAIN
    return JobStatus(text), EnumStyle.PLAIN
