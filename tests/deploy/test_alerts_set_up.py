"""deploy/alerts.sh by itself: metrics, policies, the e-mail channel, and dashboards."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud_project import METRIC_DELAY_SECONDS, PROJECT, CloudProject, Fault
from tests.support.cloud_sdk import command_problems
from tests.support.set_up import ROOT, SetUp, a_set_up

UP_TO_DATE = "Everything was up to date.\n"
#: Enough of deploy/ for two policies, so that each run is short.
POLICIES = ("queue-age", "paused")
METRICS = ("backtest_queued_seconds", "backtest_held_seconds")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SetUp]:
    with a_set_up(tmp_path / "machine") as found:
        found.project.apis |= {"logging.googleapis.com", "monitoring.googleapis.com"}
        yield found


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in a copy of deploy/ with few policies and a dashboard that is made up."""
    deploy = tmp_path / "copy" / "deploy"
    for folder, names in (("alerts", POLICIES), ("metrics", METRICS)):
        (deploy / folder).mkdir(parents=True)
        for name in names:
            shutil.copy(ROOT / "deploy" / folder / f"{name}.json", deploy / folder)
    for name in ("alerts.sh", "steps.sh", "present.py", "monitoring.py"):
        shutil.copy(ROOT / "deploy" / name, deploy)
    (deploy / "dashboards").mkdir()
    write_dashboard(deploy, "Backtests: the fleet")
    return deploy / "alerts.sh"


def write_dashboard(deploy: Path, text: str) -> None:
    tile = {"xPos": 0, "yPos": 0, "width": 24, "height": 16, "widget": {"text": {"content": text}}}
    (deploy / "dashboards" / "fleet.json").write_text(
        json.dumps(
            {
                "displayName": "Backtests",
                "labels": {"backtest": "fleet"},
                "mosaicLayout": {"columns": 48, "tiles": [tile]},
            }
        )
    )


def test_a_dry_run_asks_nothing_and_prints_what_a_run_does(machine: SetUp, script: Path) -> None:
    printed = machine.alerts("--dry-run", "--alert-email=ops@example.com", script=script)
    asked = machine.gcloud.calls
    done = machine.alerts("--alert-email=ops@example.com", script=script)

    commands = [line.split()[1:4] for line in printed.stdout.splitlines() if line[:1] not in "#"]
    once = dict.fromkeys(tuple(call) for call in machine.changes())
    assert done.returncode == 0, done.stderr
    assert asked == []
    assert [list(call[:3]) for call in once] == commands
    assert len(commands) == len(METRICS) + len(POLICIES) + len(["a channel", "a dashboard"])


def test_a_run_makes_all_waits_for_the_metrics_and_is_silent_afterwards(
    machine: SetUp, script: Path, tmp_path: Path
) -> None:
    done = machine.alerts(script=script)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        *(f"made log metric {name}" for name in sorted(METRICS)),
        *(f"made alert policy {name}" for name in sorted(POLICIES)),
        "made dashboard fleet",
    ]
    assert "trying again every 20 s" in done.stderr
    assert METRIC_DELAY_SECONDS <= machine.project.clock <= METRIC_DELAY_SECONDS + 60
    assert machine.alerts(script=script).stdout == UP_TO_DATE

    write_dashboard(script.parent, "Another text")
    changed = machine.alerts(script=script)
    assert changed.stdout == "changed dashboard fleet: mosaicLayout.tiles\n"
    [dashboard] = machine.project.kind("dashboards").values()
    assert dashboard["mosaicLayout"]["tiles"][0]["widget"]["text"]["content"] == "Another text"
    calls = [
        [
            f"--config-from-file={ROOT}/deploy/smoke.json" if "config-from-file" in word else word
            for word in call
        ]
        for call in machine.gcloud.calls
    ]
    assert command_problems(tmp_path, calls) == []
    assert machine.alerts(script=script).stdout == UP_TO_DATE


def test_a_metric_that_never_comes_costs_one_wait_and_the_others_are_made(
    machine: SetUp, script: Path
) -> None:
    machine.gcloud.faults = [
        Fault("logging metrics create backtest_held_seconds", "PERMISSION_DENIED: no")
    ]

    done = machine.alerts(script=script)

    assert done.returncode == 1
    assert "- not made: log metric backtest_held_seconds: PERMISSION_DENIED: no" in done.stderr
    assert "- not made: alert policy paused: NOT_FOUND: Cannot find metric(s)" in done.stderr
    assert "made alert policy queue-age" in done.stdout
    assert "made dashboard fleet" in done.stdout
    assert machine.project.clock < 2 * METRIC_DELAY_SECONDS


def test_an_address_given_later_is_attached_and_other_channels_stay(
    machine: SetUp, script: Path
) -> None:
    machine.alerts("--alert-email=first@example.com", script=script)

    done = machine.alerts("--alert-email=second@example.com", script=script)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "made notification channel to second@example.com",
        "changed alert policy paused: its notification channel",
        "changed alert policy queue-age: its notification channel",
    ]
    both = list(machine.project.kind("channels"))
    assert len(both) == 2
    for policy in machine.project.kind("alerts").values():
        assert policy["notificationChannels"] == both
    assert machine.alerts("--alert-email=first@example.com", script=script).stdout == UP_TO_DATE


def test_a_project_without_dashboards_to_make_is_complete(machine: SetUp, script: Path) -> None:
    shutil.rmtree(script.parent / "dashboards")

    done = machine.alerts(script=script)

    assert done.returncode == 0, done.stderr
    assert not any("dashboards" in call for call in machine.gcloud.calls)


def test_the_time_between_tries_can_be_set(machine: SetUp, script: Path) -> None:
    gcloud = machine.gcloud
    gcloud.faults = [Fault("logging metrics list", "UNAVAILABLE: no", times=3)]

    done = gcloud.run([str(script), PROJECT], env={"RETRY_SECONDS": "5"})

    assert "trying again every 5 s: UNAVAILABLE: no" in done.stderr
    # The metrics' ten minutes are not waited out with 33 tries of 5 seconds.
    assert done.returncode == 1
    assert machine.project.clock == 5 * (3 + 33)


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["one", "--nonsense"]], ids=str)
def test_wrong_arguments_are_refused(machine: SetUp, arguments: list[str]) -> None:
    done = machine.gcloud.run([str(ROOT / "deploy" / "alerts.sh"), *arguments])

    assert done.returncode == 64
    assert done.stderr
    assert machine.gcloud.calls == []
    assert machine.project == CloudProject(apis=machine.project.apis)
