"""Answers as the documentation shows them."""

from typing import Any

JOB_STATE: dict[str, Any] = {
    "jobId": "V1StGXR8Z5jdHi6BmyT2",
    "userId": "alice",
    "status": "running",
    "submittedAt": "2026-01-05T12:00:00Z",
    "admittedAt": "2026-01-05T12:00:00Z",
    "startedAt": "2026-01-05T12:00:01Z",
    "completedAt": None,
    "progress": 0.4,
    "engineVersion": "1.0.0",
    "errorCode": None,
    "errorMessage": None,
}

SUMMARY: dict[str, Any] = {
    **JOB_STATE,
    "strategyId": "smaCross",
    "symbol": "SPY",
    "timeframe": "1d",
    "startDate": "2015-01-01",
    "endDate": "2024-12-31",
    "label": None,
}

JOB: dict[str, Any] = {
    **JOB_STATE,
    "priority": 0,
    "timeoutSeconds": 60,
    "cancelRequested": False,
    "attempt": 1,
    "interruptions": 0,
    "workerLosses": 0,
    "durationMs": None,
    "resultDigest": None,
    "expireAt": None,
    "configUsed": {
        "strategyId": "smaCross",
        "symbol": "SPY",
        "startDate": "2015-01-01",
        "endDate": "2024-12-31",
        "startingCapital": 10_000,
        "parameters": {"fast": 50, "slow": 200},
    },
}

RESULT: dict[str, Any] = {
    "jobId": "V1StGXR8Z5jdHi6BmyT2",
    "userId": "alice",
    "createdAt": "2026-01-05T12:00:03Z",
    "engineVersion": "1.0.0",
    "resultDigest": "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "summaryDigest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "backtestResult": {
        "totalReturn": 0.12,
        "maxDrawdown": -0.08,
        "equityTimestamps": ["2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"],
        "equityCurve": [10_000.0, 11_200.0],
        "metrics": {"sharpe": 1.1, "tradeCount": 3},
        "truncated": {},
    },
    "artifacts": {},
}

SERIES: dict[str, Any] = {
    "symbol": "SPY",
    "timeframe": "1d",
    "rows": 2517,
    "first": "2015-01-02T00:00:00Z",
    "last": "2024-12-31T00:00:00Z",
    "fingerprint": "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
    "gaps": [],
    "notes": ["ignored columns: dividends"],
}

SWEPT: dict[str, Any] = {"done": {"expired_leases": 1, "rings": 2}, "failed": []}

HEALTH: dict[str, Any] = {
    "status": "healthy",
    "version": "0.1.0",
    "engineVersion": "1.0.0",
    "timestamp": "2026-01-05T12:00:00Z",
}

READY: dict[str, Any] = {"status": "ready"}

COMPARISON: dict[str, Any] = {"digestMatches": True, "dataMatches": True}

WRONG_FIELDS: list[dict[str, str]] = [
    {"path": "configUsed.startingCapital", "expected": "a number > 0", "got": "-1"}
]

#: By the name of the schema that they are examples of.
OF_SCHEMAS: dict[str, Any] = {
    "JobForm": JOB,
    "BacktestList": {"backtests": [SUMMARY], "nextCursor": None},
    "ResultForm": RESULT,
    "ImportForm": SERIES,
    "SweptForm": SWEPT,
    "Health": HEALTH,
    "Ready": READY,
    "Comparison": COMPARISON,
    "BacktestAnswer": {"backtestResult": RESULT["backtestResult"]},
}
