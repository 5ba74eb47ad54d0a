"""Numbers of a released major version never change: old results can be computed again, bit for bit.

If a case here gives other numbers, either the change is a mistake, or it is a new major version:
raise ENGINE_VERSION and run ``python tests/support/golden.py write``.
"""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from engine import ENGINE_VERSION, SUPPORTED_ENGINE_VERSIONS
from engine.config import StrategyId
from tests.support import golden
from tests.support.golden import Case, cases, folder, outcome

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_major_version_gives_the_numbers_it_always_gave(case: Case) -> None:
    found = outcome(case.run())
    changed = [
        f"{name} was {was} and is {found['figures'][name]}"
        for name, was in case.recorded["figures"].items()
        if found["figures"][name] != was
    ]
    assert found == case.recorded, (
        f"{case.name}: the numbers of engine {ENGINE_VERSION.split('.')[0]}.x have changed "
        f"({'; '.join(changed) or 'in the curve, trades or cycles only'}). If that is meant, it is "
        "a new major version: raise ENGINE_VERSION and run "
        "`python tests/support/golden.py write`."
    )


def test_every_supported_version_has_its_numbers_here() -> None:
    assert {folder(version) for version in SUPPORTED_ENGINE_VERSIONS} == {folder()}


def test_every_strategy_and_every_execution_option_is_pinned() -> None:
    configs = [case.content["config"] for case in CASES]
    assert {config["strategyId"] for config in configs} == set(get_args(StrategyId))
    executions = [config.get("execution", {}) for config in configs]
    for key, values in {
        "fillOn": {"close"},
        "direction": {"short", "both"},
        "intrabar": {"pessimistic", "optimistic", "nearestExtreme"},
        "closeAtEnd": {True},
    }.items():
        assert {execution[key] for execution in executions if key in execution} >= values
    for key in ("feeRate", "feePerTrade", "slippageRate", "stopLoss", "takeProfit", "trailingStop"):
        assert any(execution.get(key) for execution in executions)
    sizings = [execution["sizing"] for execution in executions if "sizing" in execution]
    assert {sizing["type"] for sizing in sizings} == {"equityFraction", "notional", "units"}
    assert any(sizing.get("wholeUnits") for sizing in sizings)


def test_cases_reach_every_end_of_a_trade_and_of_a_cycle() -> None:
    trades, cycles = set(), set()
    for case in CASES:
        found = case.run()
        trades |= {trade.exit_reason for trade in found.trades}
        cycles |= {cycle.outcome for cycle in found.cycles}
    assert trades == {
        *(None, "signal", "stopLoss", "takeProfit", "trailingStop", "endOfData", "ruin"),
        *("expired", "assigned", "calledAway", "closeAtProfit", "closeAtDte"),
    }
    assert cycles == {None, "expiredOTM", "assigned", "calledAway", "closed"}


def test_the_made_up_candles_are_always_the_same() -> None:
    """They are whole numbers from whole numbers, so no library can change them."""
    source = {"symbol": "X", "timeframe": "1d", "start": "2020-01-01", "bars": 3, "seed": 1}
    candles = golden.candles_of(source)
    candles.validate()
    assert candles.fingerprint() == (
        "sha256:bf379758b63fbc0225a6cc6d20055f87a9dc79c8cf3ef9aeb8d6c2d684267c12"
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A golden directory with one case of version 1 whose numbers are not recorded."""
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    monkeypatch.setattr(golden, "ENGINE_VERSION", "1.4.0")
    (tmp_path / "v1").mkdir()
    case = next(case for case in CASES if case.name == "price-path")
    content = {key: value for key, value in case.content.items() if key != "recorded"}
    (tmp_path / "v1" / "case.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def recorded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["recorded"]
    return found


def spoil(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content["recorded"]["figures"]["finalEquity"] += 1.0
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_new_case_gets_its_numbers(elsewhere: Path) -> None:
    golden.write(correct=False)
    case = next(case for case in CASES if case.name == "price-path")
    assert recorded(elsewhere / "v1" / "case.json") == case.recorded


def test_recorded_numbers_are_not_replaced_within_a_major_version(elsewhere: Path) -> None:
    golden.write(correct=False)
    spoil(elsewhere / "v1" / "case.json")
    spoiled = recorded(elsewhere / "v1" / "case.json")
    with pytest.raises(SystemExit, match=r"1\.4\.0 gives other numbers"):
        golden.write(correct=False)
    assert recorded(elsewhere / "v1" / "case.json") == spoiled
    golden.write(correct=True)
    assert recorded(elsewhere / "v1" / "case.json") != spoiled


def test_a_new_major_version_starts_with_the_cases_of_the_one_before(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.write(correct=False)
    spoil(elsewhere / "v1" / "case.json")
    old = recorded(elsewhere / "v1" / "case.json")
    monkeypatch.setattr(golden, "ENGINE_VERSION", "2.0.0")
    golden.write(correct=False)
    assert recorded(elsewhere / "v1" / "case.json") == old
    assert recorded(elsewhere / "v2" / "case.json") != old
