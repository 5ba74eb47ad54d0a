"""deploy/alertmanager: the receivers that compose offers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.alertmanager import check_config

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "deploy" / "alertmanager").glob("*.yml"))


def config(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_amtool_accepts_it(file: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(file.read_text().replace("send_resolved", "send_solved"))

    good, bad = check_config(file), check_config(wrong)

    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0
    assert "send_solved" in bad.stdout + bad.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_secret_is_in_a_file_of_the_operators(file: Path) -> None:
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    [secret] = re.findall(r"_file: (\S+)$", file.read_text(), flags=re.MULTILINE)

    assert f"${{ALERT_SECRET_FILE:-/dev/null}}:{secret}:ro" in compose
    assert not re.search(r"\b(api_url|smtp_auth_password|url|bearer_token):", file.read_text())


def test_both_route_alike() -> None:
    assert [file.name for file in FILES] == ["alertmanager.yml", "email.yml"]
    routes = [config(file)["route"] for file in FILES]
    receivers = [[one["name"] for one in config(file)["receivers"]] for file in FILES]

    assert routes[0] == routes[1]
    assert receivers == [[routes[0]["receiver"]]] * 2


def test_a_message_has_what_an_alert_says() -> None:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    [receiver] = config(FILES[0])["receivers"]
    [slack] = receiver["slack_configs"]
    used = set(re.findall(r"\.Annotations\.(\w+)", slack["text"]))

    assert used == {"summary", "description", "runbook"}
    assert all(alert["annotations"].keys() == used for alert in alerts)
    assert all(alert["labels"].keys() == {"severity"} for alert in alerts)
