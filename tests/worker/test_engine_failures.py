"""How what the engine refuses is told to the owner of a job."""

import pytest

from engine import ConfigError, ConfigProblem, DataError, DataNotFoundError
from worker.jobs.errors import ErrorCode
from worker.services.backtesting import as_failure


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ConfigError([ConfigProblem("symbol", "text", "5")]),
            ErrorCode.INVALID_CONFIG,
            "symbol: expected text, got 5.",
        ),
        (DataNotFoundError("no candles of SPY 1d"), ErrorCode.DATA_NOT_FOUND, "of SPY 1d."),
        (DataError("bar 3: close", 3), ErrorCode.DATA_INVALID, "bar 3: close."),
    ],
)
def test_refusals_have_their_code_and_reason(error: Exception, code: ErrorCode, words: str) -> None:
    failure = as_failure(error)
    assert failure.code is code
    assert failure.message.endswith(words)


def test_an_error_of_our_own_tells_no_details() -> None:
    failure = as_failure(RuntimeError("/srv/secret/path"))
    assert failure.code is ErrorCode.ENGINE_ERROR
    assert "secret" not in failure.message
