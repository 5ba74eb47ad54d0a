"""What Google's errors mean to a caller of the store."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from worker.jobs.errors import (
    Conflict,
    OutcomeUnknown,
    RecordRefused,
    StoreRefuses,
    StoreUnavailable,
)

#: The request was judged, and waiting alone does not change the answer.
_REFUSED = (exceptions.PermissionDenied, exceptions.Unauthenticated)

#: The guard did not hold; ``Aborted`` is a lock of somebody's transaction.
_GUARD_FAILED = (
    exceptions.Aborted,
    exceptions.AlreadyExists,
    exceptions.FailedPrecondition,
    exceptions.NotFound,
)


@contextmanager
def reading() -> Iterator[None]:
    """Around reads: whatever goes wrong, the store did not answer."""
    try:
        yield
    except (*_REFUSED, exceptions.FailedPrecondition) as error:
        # A query without its index fails a precondition.
        raise StoreRefuses(_told(error)) from error
    except (exceptions.GoogleAPIError, GoogleAuthError) as error:
        raise StoreUnavailable(_told(error)) from error


@contextmanager
def committing(job_id: str) -> Iterator[None]:
    """Around a guarded commit.

    Whatever may have reached the server without an answer coming back is an unknown outcome.
    """
    try:
        yield
    except _GUARD_FAILED as error:
        raise Conflict(f"job {job_id}: {_told(error)}") from error
    except (exceptions.InvalidArgument, exceptions.OutOfRange) as error:
        raise RecordRefused(f"job {job_id}: {_told(error)}") from error
    except _REFUSED as error:
        raise StoreRefuses(_told(error)) from error
    except (exceptions.ResourceExhausted, GoogleAuthError) as error:
        raise StoreUnavailable(_told(error)) from error
    except exceptions.GoogleAPIError as error:
        raise OutcomeUnknown(_told(error)) from error


@contextmanager
def encoding(name: str) -> Iterator[None]:
    """Around the making of a document."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordRefused(f"{name} cannot be a document: {error}") from error


def _told(error: Exception) -> str:
    return f"Firestore says: {type(error).__name__}: {str(error)[:500]}"
