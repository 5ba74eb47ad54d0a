"""Two runs have one digest exactly when their numbers are the same."""

import hashlib
import json
from typing import Any

import pytest

from engine import run_backtest
from engine.digest import SUMMARY_METRICS, digest
from tests.support.markets import config, walk


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return run_backtest(config(), walk(300)).to_document()


def test_the_canonical_form() -> None:
    text = '{"a":[1,2.0,1e-07],"é":null}'
    expected = "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert digest({"é": None, "a": [1, 2.0, 1e-7]}) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_has_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": value})


def test_the_result_digest_can_be_recomputed_from_the_document(document: dict[str, Any]) -> None:
    names = ["dataFingerprint", "equityCurve", "equityTimestamps", "trades", "cycles"]
    names += ["regimeSegments", "metrics"]
    text = json.dumps(
        {name: document[name] for name in names},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert run_backtest(config(), walk(300)).result_digest == expected


def test_the_summary_digest_can_be_recomputed_from_the_metrics(document: dict[str, Any]) -> None:
    values = {name: document["metrics"][name] for name in SUMMARY_METRICS}
    values["dataFingerprint"] = document["dataFingerprint"]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert run_backtest(config(), walk(300)).summary_digest == expected


def test_a_document_read_back_from_json_has_the_same_digest(document: dict[str, Any]) -> None:
    assert digest(json.loads(json.dumps(document))) == digest(document)


def test_what_is_no_number_of_the_run_is_in_no_digest() -> None:
    plain = run_backtest(config(), walk(300))
    labelled = run_backtest(config(label="mine", endDate="2029-01-01", maxCycles=1000), walk(300))
    assert labelled.result_digest == plain.result_digest
    assert labelled.summary_digest == plain.summary_digest


def test_another_number_is_another_digest() -> None:
    plain = run_backtest(config(), walk(300))
    others = [
        run_backtest(config(startingCapital=10_001), walk(300)),
        run_backtest(config(), walk(300, seed=2)),
        run_backtest(config(execution={"feeRate": 0.001}), walk(300)),
    ]
    assert len({result.result_digest for result in (plain, *others)}) == 4
    assert len({result.summary_digest for result in (plain, *others)}) == 4


def test_regimes_are_in_the_result_digest_but_not_in_the_summary() -> None:
    plain = run_backtest(config(), walk(300))
    other = run_backtest(config(regime={"lookback": 20}), walk(300))
    assert other.result_digest != plain.result_digest
    assert other.summary_digest == plain.summary_digest
