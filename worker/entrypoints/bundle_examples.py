"""Bundles as the documentation shows them."""

from typing import Any

_BASE: dict[str, Any] = {
    "strategyId": "smaCross",
    "symbol": "SPY",
    "startDate": "2015-01-01",
    "endDate": "2024-12-31",
    "startingCapital": 10_000,
}
_GRID: dict[str, Any] = {
    "parameters.fast": [10, 20, 50],
    "parameters.slow": {"start": 100, "stop": 300, "step": 50},
    "execution.stopLoss": [None, 0.1],
}
_OVERRIDES: dict[str, Any] = {
    "parameters.fast": 20,
    "parameters.slow": 150,
    "execution.stopLoss": None,
}
_METRICS: dict[str, Any] = {
    "totalReturn": 0.84,
    "finalEquity": 18_400.0,
    "maxDrawdown": -0.19,
    "cagr": 0.063,
    "annualizedReturn": 0.064,
    "annualizedVolatility": 0.11,
    "sharpe": 0.62,
    "sortino": 0.88,
    "calmar": 0.34,
    "exposure": 0.71,
    "tradeCount": 14,
    "winRate": 0.57,
    "profitFactor": 2.4,
    "expectancy": 600.0,
    "feesPaid": 0.0,
}
_RANKED: dict[str, Any] = {"index": 12, "overrides": _OVERRIDES, "metrics": _METRICS}

REQUESTS: dict[str, Any] = {
    "grid": {
        "summary": "Every combination of some values: 3 × 5 × 2 variants",
        "value": {
            "name": "Crosses of SPY",
            "baseConfig": _BASE,
            "parameterGrid": _GRID,
            "rankBy": "sharpe",
        },
    },
    "list": {
        "summary": "Variants one by one, with the full results of all",
        "value": {
            "baseConfig": _BASE,
            "variants": [
                {"parameters.fast": 10, "parameters.slow": 50},
                {"symbol": "QQQ", "parameters": {"fast": 20, "slow": 100}},
            ],
            "rankBy": "calmar",
            "keepResults": "all",
        },
    },
}

SUMMARY: dict[str, Any] = {
    "bundleId": "9b2d7c1e4f6a4d0c8e5b3a7f1d2c6e90",
    "userId": "alice",
    "name": "Crosses of SPY",
    "status": "completed",
    "submittedAt": "2026-01-05T12:00:00Z",
    "admittedAt": "2026-01-05T12:00:00Z",
    "startedAt": "2026-01-05T12:00:00Z",
    "completedAt": "2026-01-05T12:00:02Z",
    "engineVersion": "1.0.0",
    "total": 30,
    "completed": 30,
    "failed": 0,
    "progress": 1.0,
    "errorCode": None,
    "errorMessage": None,
}

BUNDLE: dict[str, Any] = {
    **SUMMARY,
    "priority": 0,
    "baseConfig": _BASE,
    "parameterGrid": _GRID,
    "rankBy": "sharpe",
    "keepResults": "best",
    "cancelRequested": False,
    "expireAt": None,
    "best": _RANKED,
    "summary": {
        "best": _RANKED,
        "worst": {**_RANKED, "index": 29},
        "regimes": {"uptrend": 0.031, "downtrend": -0.012, "sideways": 0.004},
        "metricRanges": {"sharpe": {"min": -0.1, "max": 0.62}},
        "keptResults": [12, 13, 2],
    },
}

VARIANT: dict[str, Any] = {
    "index": 12,
    "status": "completed",
    "overrides": _OVERRIDES,
    "metrics": _METRICS,
    "summaryDigest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "errorCode": None,
    "errorMessage": None,
}

VARIANT_RESULT: dict[str, Any] = {
    "bundleId": SUMMARY["bundleId"],
    "index": 12,
    "overrides": _OVERRIDES,
    "engineVersion": "1.0.0",
    "resultDigest": "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "summaryDigest": VARIANT["summaryDigest"],
    "backtestResult": {"totalReturn": 0.84, "maxDrawdown": -0.19, "truncated": {}},
}

ESTIMATE: dict[str, Any] = {
    "variants": 30,
    "bars": 109_590,
    "seconds": 0.24,
    "jobs": 1,
    "isAdmitted": True,
    "errorCode": None,
    "errorMessage": None,
}

#: By the names of the models that describe the answers.
OF_SCHEMAS: dict[str, Any] = {
    "RankedVariant": _RANKED,
    "BundleSummary": SUMMARY,
    "BundleForm": BUNDLE,
    "BundleList": {"bundles": [SUMMARY], "nextCursor": None},
    "VariantForm": VARIANT,
    "VariantList": {"variants": [VARIANT], "nextCursor": None},
    "VariantResult": VARIANT_RESULT,
    "EstimateForm": ESTIMATE,
}
