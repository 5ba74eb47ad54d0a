"""What each of Google's errors tells the services: judged, not answered, or nobody knows."""

import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError, TransportError

from worker.adapters.firestore.errors import committing, reading
from worker.jobs.errors import (
    Conflict,
    OutcomeUnknown,
    RecordRefused,
    StoreError,
    StoreRefuses,
    StoreUnavailable,
)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (exceptions.FailedPrecondition("stale"), Conflict),
        (exceptions.Aborted("locked"), Conflict),
        (exceptions.AlreadyExists("result"), Conflict),
        (exceptions.NotFound("deleted"), Conflict),
        (exceptions.InvalidArgument("too large"), RecordRefused),
        (exceptions.PermissionDenied("role"), StoreRefuses),
        (exceptions.Unauthenticated("token"), StoreRefuses),
        (exceptions.ResourceExhausted("quota"), StoreUnavailable),
        (TransportError("metadata server"), StoreUnavailable),
        (RefreshError("key"), StoreUnavailable),
        (exceptions.DeadlineExceeded("late"), OutcomeUnknown),
        (exceptions.ServiceUnavailable("gone"), OutcomeUnknown),
        (exceptions.InternalServerError("oops"), OutcomeUnknown),
        (exceptions.Unknown("?"), OutcomeUnknown),
        (exceptions.Cancelled("closed"), OutcomeUnknown),
        (exceptions.RetryError("late", cause=exceptions.ServiceUnavailable("x")), OutcomeUnknown),
    ],
)
def test_errors_of_a_commit(error: Exception, meaning: type[StoreError]) -> None:
    with pytest.raises(meaning) as raised, committing("j1"):
        raise error

    assert type(raised.value) is meaning
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (exceptions.FailedPrecondition("the query requires an index"), StoreRefuses),
        (exceptions.PermissionDenied("role"), StoreRefuses),
        (exceptions.DeadlineExceeded("late"), StoreUnavailable),
        (exceptions.ServiceUnavailable("gone"), StoreUnavailable),
        (exceptions.RetryError("late", cause=exceptions.ServiceUnavailable("x")), StoreUnavailable),
        (TransportError("metadata server"), StoreUnavailable),
    ],
)
def test_errors_of_a_read(error: Exception, meaning: type[StoreError]) -> None:
    with pytest.raises(StoreUnavailable) as raised, reading():
        raise error

    assert type(raised.value) is meaning
    assert type(error).__name__ in str(raised.value)


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(LookupError), committing("j1"):
        raise LookupError
    with pytest.raises(LookupError), reading():
        raise LookupError
