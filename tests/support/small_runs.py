"""Backtests that take a millisecond, and what must hold of every result that a store keeps."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

import engine
from worker.jobs.job import Job, ResultRecord
from worker.services.result_document import build_result_document

KINDS = 3
CAPITAL, FEE_RATE, FEE_PER_TRADE = 10_000.0, 0.001, 1.0
_PRICES = [100.0 + bar * 7919 % 23 - bar % 11 for bar in range(60)]


def config(kind: int) -> dict[str, Any]:
    return {
        "strategyId": "smaCross",
        "symbol": "TEST",
        "startDate": "2024-01-01",
        "endDate": "2024-12-31",
        "startingCapital": CAPITAL,
        "pricePath": _PRICES,
        "parameters": {"fast": 2 + kind, "slow": 7},
        "execution": {"feeRate": FEE_RATE, "feePerTrade": FEE_PER_TRADE, "closeAtEnd": True},
    }


@cache
def calm_digest(kind: int) -> str:
    """What the configuration gives where nothing happens."""
    return engine.run_backtest(config(kind)).result_digest


def run(job: Job) -> ResultRecord:
    """As a worker runs it; ``summary_digest`` names the attempt instead."""
    result = engine.run_backtest(job.config_used)
    document = build_result_document(job.job_id, result.to_outline(), job.enum_style)
    return ResultRecord(
        job_id=job.job_id,
        user_id=job.user_id or "",
        engine_version=job.engine_version or "",
        result_digest=result.result_digest,
        summary_digest=job.hold().lease_id,
        backtest_result=document.backtest_result,
    )


def check_account(result: Mapping[str, Any]) -> None:
    """On every bar cash and holdings at the close are the equity; fees are counted once."""
    closes = result["configUsed"]["pricePath"]
    for bar, equity in enumerate(result["equityCurve"]):
        worth = CAPITAL
        for trade in result["trades"]:
            quantity, entry = trade["quantity"], trade["entryPrice"]
            if trade["exitIndex"] <= bar and trade["exitReason"] != "endOfData":
                worth += quantity * (trade["exitPrice"] - entry) - trade["fees"]
            elif trade["entryIndex"] <= bar:
                paid = quantity * entry * FEE_RATE + FEE_PER_TRADE
                is_over = trade["exitIndex"] <= bar
                worth += quantity * (closes[bar] - entry) - (trade["fees"] if is_over else paid)
        assert equity == pytest.approx(worth, rel=1e-12), f"bar {bar}"
    assert result["metrics"]["finalEquity"] == result["equityCurve"][-1]
    assert result["metrics"]["feesPaid"] == pytest.approx(
        sum(trade["fees"] for trade in result["trades"]), rel=1e-12
    )
