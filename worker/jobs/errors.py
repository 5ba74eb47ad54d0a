"""Why a job ended without a result, and what can go wrong on the way to a store."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The closed list of codes that stand beside ``errorMessage`` on a failed job."""

    INVALID_CONFIG = "INVALID_CONFIG"
    MISSING_USER = "MISSING_USER"
    UNSUPPORTED_ENGINE_VERSION = "UNSUPPORTED_ENGINE_VERSION"
    DATA_NOT_FOUND = "DATA_NOT_FOUND"
    DATA_INVALID = "DATA_INVALID"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"
    ENGINE_ERROR = "ENGINE_ERROR"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    WORKER_LOST = "WORKER_LOST"


#: Codes that tell of the service's trouble rather than of a user's mistake or wish.
OUR_FAULT = frozenset(
    {
        ErrorCode.DATA_INVALID,
        ErrorCode.ENGINE_ERROR,
        ErrorCode.RESULT_TOO_LARGE,
        ErrorCode.TIMEOUT,
        ErrorCode.WORKER_LOST,
    }
)


class JobFailure(Exception):
    """A reason that ends a job: a code and one sentence its owner can act on."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class IllegalTransition(Exception):
    """The job is not in a state from which the asked change may start."""


class LeaseLost(Exception):
    """Another attempt, another lease or another state stands in the store: write nothing more."""


class StoreError(Exception):
    """Base of what a job store raises."""


class Conflict(StoreError):
    """The record changed since it was read (or is gone): read again before deciding anything."""


class JobExists(StoreError):
    """A job with this id is already there."""


class BundleExists(StoreError):
    """A bundle with this id is already there."""


class RecordRefused(StoreError):
    """The store cannot hold this record whatever its state: bad id, too large, not plain data."""


class StoreUnavailable(StoreError):
    """The store did not answer; nothing was written."""

    said = "the store does not answer"

    @property
    def sentence(self) -> str:
        """What is the matter and why, for logs and probes."""
        return f"{self.said}: {self}"


class StoreRefuses(StoreUnavailable):
    """The store answered that it does not do this: no right to it, read-only, no room. Nothing was
    written, and waiting alone does not help.
    """

    said = "the store refuses"


class OutcomeUnknown(StoreUnavailable):
    """The store did not answer a commit: it may or may not have happened; read to find out."""


class BucketUnavailable(StoreUnavailable):
    """The bucket of candles or artifacts did not answer, or refused."""


class DoorbellUnavailable(Exception):
    """The message could not be published; the sweep will ring again."""
