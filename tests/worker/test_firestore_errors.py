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
        (exceptions.PermissionDenied("role"), StoreUnavailable),
        (exceptions.Unauthenticated("token"), StoreUnavailable),
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
    "error",
    [
        exceptions.FailedPrecondition("the query requires an index"),
        exceptions.DeadlineExceeded("late"),
        exceptions.ServiceUnavailable("gone"),
        exceptions.PermissionDenied("role"),
        exceptions.RetryError("late", cause=exceptions.ServiceUnavailable("x")),
        TransportError("metadata server"),
    ],
)
def test_a_read_that_fails_is_a_store_that_does_not_answer(error: Exception) -> None:
    with pytest.raises(StoreUnavailable) as raised, reading():
        raise error

    assert type(raised.value) is StoreUnavailable
    assert type(error).__name__ in str(raised.value)


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(LookupError), committing("j1"):
        raise LookupError
    with pytest.raises(LookupError), reading():
        raise LookupError
