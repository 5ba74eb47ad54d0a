"""Alert rules and dashboard: what promtool says, and that what they name is exported."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.control import make_control
from tests.support.prometheus import promtool
from tests.support.workers import make_worker
from worker.jobs.errors import OUR_FAULT

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
UNIT_TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "backtests.json"
ALERTS = [
    rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
}


def exported() -> set[str]:
    """The name of every sample that a worker or the control service may show."""
    texts = [
        make_worker().client.get("/metrics").text,
        make_control().client.get("/metrics").text,
    ]
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


def rule_expressions() -> list[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def panel_expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def metrics_of(expressions: list[str]) -> set[str]:
    return {name for text in expressions for name in re.findall(r"\bbacktest_\w+", text)}


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    for kind, file in (("rules", RULES), ("config", RULES.with_name("prometheus.yml"))):
        done = promtool("check", kind, file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    done = promtool("test", "rules", UNIT_TESTS.name, cwd=UNIT_TESTS.parent)

    assert done.returncode == 0, done.stdout + done.stderr


#: Slips, and the alert whose unit test sees each.
SLIPS = {
    "BacktestHighFailureRate": ("> 0.1 and", "> 0.3 and"),
    "BacktestNothingCompletes": ("unless on () backtest:completed:recent > 0", ""),
    "BacktestOldestJobWaits": ("oldest_queued_seconds) > 600", "oldest_queued_seconds) > 6000"),
    "BacktestSlowJobs": ("backtest:job_seconds:p99 > 300", "backtest:job_seconds:p99 > 3000"),
    "BacktestTargetDown": ('up{job=~"backtest-.+"}', "up"),
    # Added up over those who show it; blind to the sweeps of pollers.
    "BacktestExpiredLeases": (
        *("max(backtest_fleet_expired_leases)", "sum(backtest_fleet_expired_leases)"),
    ),
    "BacktestSweepFails": ("or increase(backtest_failed_sweep_steps_total[10m])", ""),
    "BacktestLeasesLost": ("leases_lost_total[30m])) > 3", "leases_lost_total[30m])) >= 0"),
}


def test_the_unit_tests_see_wrong_rules(tmp_path: Path) -> None:
    rules = RULES.read_text()
    for right, wrong in SLIPS.values():
        assert right in rules
        rules = rules.replace(right, wrong, 1)
    (tmp_path / RULES.name).write_text(rules)
    (tmp_path / UNIT_TESTS.name).write_text(UNIT_TESTS.read_text())

    done = promtool("test", "rules", UNIT_TESTS.name, cwd=tmp_path)

    assert done.returncode != 0
    failed = set(re.findall(r"alertname: ?(\w+), time:", done.stdout + done.stderr))
    assert failed == set(SLIPS)


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    firing = {case["alertname"] for case in cases if case["exp_alerts"]}
    names = {rule["alert"] for rule in ALERTS}

    assert firing == names
    assert silent == names


def test_every_metric_of_the_rules_is_exported_or_recorded() -> None:
    text = " ".join(rule_expressions())
    recorded = set(re.findall(r"- record: (\S+)", RULES.read_text()))

    assert metrics_of(rule_expressions()) <= exported()
    assert set(re.findall(r"\bbacktest:[\w:]+", text)) <= recorded


def test_the_check_sees_a_metric_that_nobody_exports() -> None:
    assert not metrics_of(["rate(backtest_jobs_finished_total[5m])"]) <= exported()
    assert {"backtest_job_seconds_bucket", "backtest_fleet_paused"} <= exported()


def test_every_metric_of_the_dashboard_is_exported() -> None:
    used = metrics_of(panel_expressions())

    assert used <= exported()
    assert len(used) > 15


@pytest.mark.parametrize("expressions", [rule_expressions, panel_expressions])
def test_no_figure_of_the_fleet_is_added_up_over_those_who_show_it(
    expressions: Callable[[], list[str]],
) -> None:
    """The control service and every poller show the same queue."""
    once = re.compile(r"(?:max|absent)(?: by \([\w, ]+\))? ?\(backtest_fleet_\w+")
    for text in expressions():
        assert len(once.findall(text)) == text.count("backtest_fleet_"), text
    assert not once.search("sum(backtest_fleet_queued_jobs)")


def test_nothing_of_the_fleet_is_left_out_of_the_dashboard() -> None:
    fleet = {name for name in exported() if name.startswith("backtest_fleet_")}

    assert fleet <= metrics_of(panel_expressions())


def test_prometheus_understands_the_dashboards_expressions(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(panel_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    done = promtool("check", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_panels_stand_beside_each_other_and_ask_the_chosen_source() -> None:
    board = json.loads(DASHBOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"

    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource"]
    assert "id" not in board


@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_failures_are_counted_by_the_codes_that_are_our_fault(file: Path) -> None:
    [codes] = re.findall(r'error_code=~\\?"([A-Z_|]+)\\?"', file.read_text())

    assert set(codes.split("|")) == set(OUR_FAULT)


def test_the_runbook_says_what_every_exported_name_means() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(backtest_\w+)", page, flags=re.MULTILINE))
    ignored = ("_bucket", "_sum", "_count", "_created")

    names = {name for name in exported() if not name.endswith(ignored)}
    histograms = {name.removesuffix("_bucket") for name in exported() if name.endswith("_bucket")}
    assert documented == names | histograms
