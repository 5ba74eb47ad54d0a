"""deploy/alerts: alert policies as Cloud Monitoring takes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud_sdk import ask_sdk

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy" / "alerts").glob("*.json"))
#: Resources that bootstrap.sh and the manifests make; an alert about another would never fire.
OURS = {
    "backtest-doorbell-push",
    "backtest-doorbell-dead",
    "backtest-worker",
    "backtest-control",
    "backtest-sweep",
}


def policies() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text()) for file in FILES}


def filters(policy: dict[str, Any]) -> list[str]:
    kinds = ("conditionThreshold", "conditionAbsent", "conditionMatchedLog")
    found = [
        condition[kind][name]
        for condition in policy["conditions"]
        for kind in kinds
        for name in ("filter", "denominatorFilter")
        if name in condition.get(kind, {})
    ]
    assert found
    return found


def test_the_sdk_decodes_every_field(tmp_path: Path) -> None:
    answers = ask_sdk(tmp_path, {"policies": [str(file) for file in FILES]})["policies"]

    assert dict(zip(policies(), answers, strict=True)) == dict.fromkeys(policies(), "")
    assert len(FILES) >= 5


def test_the_sdk_check_sees_a_wrong_field(tmp_path: Path) -> None:
    policy = json.loads(FILES[0].read_text())
    policy["conditions"][0]["name_of_it"] = "x"
    wrong = tmp_path / "policy.json"
    wrong.write_text(json.dumps(policy))

    assert "name_of_it" in ask_sdk(tmp_path, {"policies": [str(wrong)]})["policies"][0]


@pytest.mark.parametrize("name", sorted(policies()))
def test_it_watches_something_of_ours(name: str) -> None:
    for text in filters(policies()[name]):
        named = set(re.findall(r'"(backtest-[a-z-]+)"', text))
        assert named
        assert named <= OURS


@pytest.mark.parametrize("name", sorted(policies()))
def test_it_says_what_is_wrong_and_closes_by_itself(name: str) -> None:
    policy = policies()[name]

    assert len(policy["documentation"]["content"]) > 40
    assert policy["alertStrategy"]["autoClose"].endswith("s")
    assert policy["severity"] in {"WARNING", "ERROR"}
    limited = "notificationRateLimit" in policy["alertStrategy"]
    # The API wants a limit for log alerts and refuses one elsewhere.
    assert limited == any("conditionMatchedLog" in item for item in policy["conditions"])


def test_an_error_in_the_log_leads_to_its_job() -> None:
    [condition] = policies()["error-log"]["conditions"]

    labels = condition["conditionMatchedLog"]["labelExtractors"]
    assert labels["jobId"] == "EXTRACT(jsonPayload.jobId)"
