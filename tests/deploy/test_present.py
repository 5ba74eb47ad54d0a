"""deploy/present.py and deploy/monitoring.py: what counts as a difference, and what is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.monitoring import channels, merged_policy, plan_dashboards
from deploy.present import differences, named, store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"a": 1}, {"a": 1, "etag": "x"}),
        ({"xPos": 0, "text": "", "list": [], "off": False, "inner": {"deep": 0}}, {}),
        ({"ttl": ""}, {}),
        ({"age": 7}, {"age": "7"}),
        ({"duration": "60s"}, {"duration": "60.0s"}),
        ({"disabled": "true"}, {"disabled": "True"}),
        ({"list": [{"a": 1}, {"b": 2}]}, {"list": [{"b": 2, "name": "x"}, {"a": 1}]}),
        ({"threshold": 600}, {"threshold": 600.0}),
    ],
    ids=lambda value: json.dumps(value),
)
def test_what_apis_write_otherwise_is_no_difference(wanted: Any, found: Any) -> None:
    assert [*differences(wanted, found)] == []


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b: 2 -> 1"]),
        ({"a": 1, "b": 2}, {}, ["a: null -> 1", "b: null -> 2"]),
        ({"list": [1, 2]}, {"list": [1]}, ["list"]),
        ({"list": [1]}, {"list": [1, 2]}, ["list"]),
        ({"list": [1, 1]}, {"list": [1, 2]}, ["list"]),
        ({"text": "x" * 80}, {"text": "y"}, ["text"]),
        ({"a": {"b": 1}}, {"a": "text"}, ['a: "text" -> {"b": 1}']),
        ({"on": "true"}, {"on": "false"}, ['on: "false" -> "true"']),
    ],
    ids=lambda value: json.dumps(value)[:30],
)
def test_a_difference_is_named_by_its_path(wanted: Any, found: Any, said: list[str]) -> None:
    assert [*differences(wanted, found)] == said


def test_a_resource_is_found_by_its_exact_name() -> None:
    listed = [{"name": "projects/p/databases/default2"}, {"name": "projects/p/databases/(default)"}]

    assert named(listed, "(default)") == listed[1]
    assert named(listed, "default") is None
    assert named(None, "default") is None


def test_a_service_is_on_cloud_sql_by_its_annotation() -> None:
    annotations = {"run.googleapis.com/cloudsql-instances": "p:r:i"}
    service = {"spec": {"template": {"metadata": {"annotations": annotations}}}}

    assert store(service) == "p:r:i"
    assert store({"spec": {"template": {}}}) == "firestore"
    assert store(None) == ""


def test_an_update_keeps_what_an_operator_did_to_a_policy() -> None:
    wanted = {
        "displayName": "New title",
        "conditions": [{"displayName": "same", "x": 1}, {"displayName": "new"}],
    }
    found = {
        "name": "projects/p/alertPolicies/1",
        "displayName": "Old title",
        "conditions": [
            {"displayName": "same", "name": "c/1"},
            {"displayName": "old", "name": "c/2"},
        ],
        "notificationChannels": ["channel/1"],
        "userLabels": {"policy": "backtest-x", "team": "a"},
        "enabled": False,
        "creationRecord": {"mutatedBy": "a-person"},
    }

    assert merged_policy(wanted, found, "channel/2") == {
        "displayName": "New title",
        "conditions": [{"name": "c/1", "displayName": "same", "x": 1}, {"displayName": "new"}],
        "notificationChannels": ["channel/1", "channel/2"],
        "userLabels": {"policy": "backtest-x", "team": "a"},
        "enabled": False,
    }
    assert merged_policy(wanted, found, "channel/1")["notificationChannels"] == ["channel/1"]


def test_a_channel_is_that_of_the_very_address() -> None:
    listed = [
        {"name": "1", "type": "email", "labels": {"email_address": "ops@example.com.org"}},
        {"name": "2", "type": "pagerduty", "labels": {"email_address": "ops@example.com"}},
        {"name": "3", "type": "email", "labels": {"email_address": "ops@example.com"}},
    ]

    assert channels(listed, "ops@example.com") == ["3"]
    assert channels(None, "ops@example.com") == []


def test_a_dashboard_is_known_by_its_labels_and_else_by_its_title(tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.json"
    labelled.write_text(json.dumps({"displayName": "New", "labels": {"backtest": "fleet"}}))
    titled = tmp_path / "titled.json"
    titled.write_text(json.dumps({"displayName": "By title"}))
    present = [
        {
            "name": "d/1",
            "etag": "7",
            "displayName": "Old",
            "labels": {"backtest": "fleet", "a": "b"},
        },
        {"name": "d/2", "etag": "8", "displayName": "By title"},
    ]

    [step] = plan_dashboards(present, [labelled, titled], tmp_path)

    assert (step.action, step.name) == ("update", "d/1")
    assert step.what == 'dashboard labelled: displayName: "Old" -> "New"'
    assert json.loads(Path(step.file).read_text()) == {
        "displayName": "New",
        "labels": {"backtest": "fleet", "a": "b"},
        "etag": "7",
    }
    assert [made.action for made in plan_dashboards(None, [labelled, titled], tmp_path)] == [
        "create",
        "create",
    ]
