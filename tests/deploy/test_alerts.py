"""deploy/alerts: alert policies as Cloud Monitoring takes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cloud_sdk import ask_sdk

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy" / "alerts").glob("*.json"))
#: Resources that bootstrap.sh and the manifests make; an alert about another would never fire.
OURS = {
    "backtest-doorbell-push",
    "backtest-doorbell-dead",
    "backtest-worker",
    "backtest-control",
    "backtest-poller",
    "backtest-sweep",
}
#: What each alert rule of Prometheus is where nobody scrapes.
COUNTERPARTS = {
    "BacktestStoreAway": "sweep",
    "BacktestHighFailureRate": "failure-rate",
    "BacktestNothingCompletes": "nothing-completes",
    "BacktestOldestJobWaits": "queue-age",
    "BacktestExpiredLeases": "expired-leases",
    "BacktestSweepFails": "error-log",
    "BacktestWorkersDie": "workers-die",
    "BacktestPoisonJob": "poison-job",
    "BacktestRingsFail": "failed-rings",
    "BacktestPausedForLong": "paused",
    "BacktestSlowJobs": "slow-jobs",
    "BacktestLongWaits": "long-waits",
    "BacktestLeasesLost": "lost-leases",
    "BacktestTargetDown": "worker-errors",
    "BacktestFiguresMissing": "pollers-silent",
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
        ours = re.findall(r"logging\.googleapis\.com/user/(\w+)", text)
        assert named or ours
        assert named <= OURS
        assert all((ROOT / "deploy" / "metrics" / f"{metric}.json").is_file() for metric in ours)


def test_every_rule_of_prometheus_has_its_policy() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
    alerts = {
        rule["alert"]: rule["labels"]["severity"].upper()
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    counterparts = {alert: policies()[COUNTERPARTS[alert]]["severity"] for alert in COUNTERPARTS}

    assert counterparts == alerts


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
    text = policies()["error-log"]["documentation"]["content"]
    named = set(re.findall(r"\$\{log\.extracted_label\.(\w+)\}", text))
    assert named == labels.keys()
    assert "https://console.cloud.google.com/logs/query;query=jsonPayload.jobId%3D" in text
    assert "backtest-worker status ${log.extracted_label.jobId}" in text


def test_a_count_of_nothing_and_a_count_of_one_are_on_two_sides_of_a_threshold() -> None:
    """Percentiles lie inside a bucket, so a threshold must be one of its metric's bounds."""
    compared = 0
    for policy in policies().values():
        for condition in policy["conditions"]:
            threshold = condition.get("conditionThreshold", {})
            for metric in re.findall(r"user/(\w+)", threshold.get("filter", "")):
                file = ROOT / "deploy" / "metrics" / f"{metric}.json"
                options = json.loads(file.read_text()).get("bucketOptions")
                if options is not None:
                    compared += 1
                    assert threshold["thresholdValue"] in options["explicitBuckets"]["bounds"]
    assert compared >= 8
