"""deploy/metrics: metrics that Cloud Logging makes of our log lines, which must be written so."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud_filters import matches
from tests.support.cloud_logs import entry as cloud_entry
from tests.support.cloud_logs import service
from tests.support.cloud_sdk import ask_sdk
from tests.support.control import make_control
from tests.support.jobs import an_admitted_job, read
from tests.support.maintenance import abandoned
from tests.support.workers import ScriptedResult, at_once, make_worker, raising
from worker.jobs import transitions
from worker.logs import configure_logging
from worker.ports import Pause

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted((DEPLOY / "metrics").glob("*.json"))
NAMES = [file.stem for file in FILES]


def metric(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy" / "metrics" / f"{name}.json").read_text())
    return found


def counts(name: str, entry: dict[str, Any], of: str) -> bool:
    """Whether a metric counts a line that a service has logged."""
    return matches(metric(name)["filter"], cloud_entry(json.dumps(entry), service(of)))


def events(name: str) -> set[str]:
    """The values of ``event`` that a metric counts."""
    found = re.search(r"jsonPayload\.event = (\([^)]*\)|\"[^\"]*\")", metric(name)["filter"])
    assert found is not None
    return set(re.findall(r'"(\w+)"', found[1]))


def extracted(name: str) -> str | None:
    field = metric(name).get("valueExtractor")
    return None if field is None else field.removeprefix("EXTRACT(jsonPayload.").removesuffix(")")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged from here on, as Cloud Logging would read it."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    configure_logging("json", stream)
    yield stream
    root.handlers, root.level = before[0], before[1]


def logged(lines: io.StringIO) -> dict[str, dict[str, Any]]:
    """The last line of each event."""
    entries = [json.loads(line) for line in lines.getvalue().splitlines()]
    return {entry["event"]: entry for entry in entries if "event" in entry}


def test_the_sdk_decodes_every_field(tmp_path: Path) -> None:
    answers = ask_sdk(tmp_path, {"metrics": [str(file) for file in FILES]})["metrics"]

    assert dict(zip(NAMES, answers, strict=True)) == dict.fromkeys(NAMES, "")


def test_the_sdk_check_sees_a_wrong_field(tmp_path: Path) -> None:
    wrong = tmp_path / "metric.json"
    wrong.write_text(json.dumps({**metric(NAMES[0]), "extractor": "x"}))

    assert "extractor" in ask_sdk(tmp_path, {"metrics": [str(wrong)]})["metrics"][0]


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_or_the_dashboard_uses_it(name: str) -> None:
    users = [file for part in ("alerts", "dashboards") for file in (DEPLOY / part).glob("*.json")]
    used = "".join(file.read_text() for file in users)

    assert f'logging.googleapis.com/user/{name}\\"' in used


@pytest.mark.parametrize("name", NAMES)
def test_each_label_has_its_field(name: str) -> None:
    labels = metric(name)["metricDescriptor"].get("labels", [])
    extractors = metric(name).get("labelExtractors", {})

    assert {label["key"] for label in labels} == extractors.keys()
    # A job's or user's id would make a series of each.
    assert set(extractors.values()) <= {
        "EXTRACT(jsonPayload.event)",
        "EXTRACT(jsonPayload.errorCode)",
    }


@pytest.mark.parametrize("name", NAMES)
def test_values_are_distributions_and_counts_are_not(name: str) -> None:
    kind = metric(name)["metricDescriptor"]["valueType"]
    bounds = metric(name).get("bucketOptions", {}).get("explicitBuckets", {}).get("bounds", [])

    assert kind == ("DISTRIBUTION" if extracted(name) else "INT64")
    assert bool(bounds) == bool(extracted(name))
    assert bounds == sorted(set(bounds))


def test_what_a_sweep_logs_is_what_they_read(lines: io.StringIO) -> None:
    control = make_control()
    control.store.create(an_admitted_job("old", -1000))
    control.store.create(abandoned("lost"))
    control.store.create(abandoned("poison", worker_losses=1))
    control.doorbell.is_down = True
    control.client.post("/tasks/sweep")
    said = logged(lines)
    fleet = said["fleet"]
    control.store.set_pause(Pause(is_on=True))
    control.clock.advance(60)
    control.client.post("/tasks/sweep")
    held = logged(lines)["fleet"]

    read = {name: extracted(name) for name in NAMES if events(name) == {"fleet"}}
    assert len(read) == 9
    for name, field in read.items():
        entry = held if name == "backtest_held_seconds" else fleet
        assert isinstance(entry[field or ""], (int, float)), name
        assert counts(name, entry, "backtest-control")
    assert events("backtest_reclaimed_jobs") == {"job_reclaimed"}
    assert said["job_reclaimed"]["jobId"] == "lost"
    assert counts("backtest_reclaimed_jobs", said["job_reclaimed"], "backtest-control")
    assert counts("backtest_poison_jobs", said["job_failed"], "backtest-control")
    assert counts("backtest_failed_rings", said["ring_failed"], "backtest-control")
    assert said["job_failed"]["errorCode"] == "WORKER_LOST"
    assert 'jsonPayload.errorCode = "WORKER_LOST"' in metric("backtest_poison_jobs")["filter"]
    assert events("backtest_failed_rings") == {"ring_failed"}
    assert said["ring_failed"]["severity"] in ("WARNING", "ERROR")


def test_what_a_worker_logs_is_what_they_read(lines: io.StringIO) -> None:
    parts = make_worker()
    parts.queue("good", -1)
    parts.queue("bad")
    parts.drain()
    parts.engine.script = raising(RuntimeError("inside"))
    parts.queue("worse")
    parts.drain()
    said = logged(lines)

    assert events("backtest_job_milliseconds") == {"job_completed", "job_failed"}
    for event in ("job_completed", "job_failed"):
        assert said[event][extracted("backtest_job_milliseconds") or ""] >= 0
        assert counts("backtest_job_milliseconds", said[event], "backtest-worker")
        assert counts("backtest_ended_attempts", said[event], "backtest-worker")
    assert events("backtest_wait_milliseconds") == {"job_started"}
    assert said["job_started"][extracted("backtest_wait_milliseconds") or ""] >= 0
    assert counts("backtest_wait_milliseconds", said["job_started"], "backtest-worker")


def test_a_lost_lease_is_told(lines: io.StringIO) -> None:
    parts = make_worker()
    parts.queue()

    def lose(on_progress: Any, should_stop: Any) -> ScriptedResult:
        parts.engine.script = at_once
        parts.clock.advance(91)
        seen = read(parts.store, "j1")
        taken = transitions.expire(seen.job, read_at=seen.read_at, requeue_once=True)
        parts.store.commit(seen, taken)
        return parts.engine.until_stopped(on_progress, should_stop)

    parts.engine.script = lose
    parts.drain()

    assert events("backtest_lost_leases") == {"lease_lost"}
    assert logged(lines)["lease_lost"]["jobId"] == "j1"
    assert counts("backtest_lost_leases", logged(lines)["lease_lost"], "backtest-worker")


def test_an_error_names_its_job_and_the_request_that_brought_it(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo")
    configure_logging("json", lines)
    parts = make_worker()
    parts.engine.script = raising(RuntimeError("inside"))
    parts.queue("j7")

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    attributes = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    message = {"messageId": "1", "data": "eyJqb2JJZCI6ICJqNyJ9", "attributes": attributes}
    push = {"subscription": "projects/demo/subscriptions/s", "message": message}

    assert parts.client.post("/pubsub/push", json=push).status_code == 204

    assert parts.job("j7").error_code == "ENGINE_ERROR"
    error = logged(lines)["engine_error"]
    assert error["severity"] == "ERROR"
    assert error["jobId"] == "j7"
    assert error["logging.googleapis.com/trace"] == f"projects/demo/traces/{trace}"
    assert "RuntimeError: inside" in error["stack_trace"]
