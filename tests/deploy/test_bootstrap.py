"""deploy/bootstrap.sh: what it would do to an empty project, and to one that has everything."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.cloud_sdk import command_problems
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "bootstrap.sh")
PLACE = ("my-project", "europe-west1")
OPTIONS = ("--retention", "--alert-email=ops@example.com")
ACCOUNT = "{}@my-project.iam.gserviceaccount.com"


@pytest.fixture
def gcloud(tmp_path: Path) -> FakeGcloud:
    """With a python3 that does not really release rules: that is test_rules_release.py's."""
    fake = FakeGcloud(tmp_path / "fake")
    fake.install("python3", _PYTHON.format(code=0, python=sys.executable))
    return fake


def dry_run(gcloud: FakeGcloud, *options: str) -> list[list[str]]:
    """The commands that a dry run prints."""
    done = gcloud.run([SCRIPT, *PLACE, "--dry-run", *OPTIONS, *options])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [shlex.split(line) for line in lines if line and not line.startswith("#")]


def options_of(command: Sequence[str]) -> dict[str, str]:
    pairs = [word[2:].partition("=") for word in command if word.startswith("--")]
    return {name: value for name, _, value in pairs}


def only(commands: list[list[str]], *words: str) -> list[str]:
    found = [command for command in commands if set(words) <= set(command)]
    assert len(found) == 1, found
    return found[0]


def test_a_dry_run_calls_nothing(gcloud: FakeGcloud) -> None:
    assert len(dry_run(gcloud)) > 50
    assert gcloud.calls == []


def test_a_dry_run_prints_what_a_run_in_an_empty_project_does(gcloud: FakeGcloud) -> None:
    printed = gcloud.run([SCRIPT, *PLACE, "--dry-run", "--retention"]).stdout.splitlines()
    dry = [shlex.split(line) for line in printed if line.startswith("gcloud ")]
    gcloud.answer(
        {
            "projects describe": (0, "100000000000\n"),
            "firestore databases describe": (0, "europe-west1\n"),
        }
    )

    done = gcloud.run([SCRIPT, *PLACE, "--retention"])

    assert done.returncode == 0, done.stderr
    asked = ("list", "describe")
    changes = [call for call in gcloud.calls if not any(word in asked for word in call[:5])]
    assert changes == [command[1:] for command in dry]


def test_the_first_release_comes_before_what_needs_the_services(gcloud: FakeGcloud) -> None:
    starts = [" ".join(command[1:4]) for command in dry_run(gcloud)]

    first = starts.index("builds submit --config=cloudbuild.yaml")
    assert starts.index("artifacts repositories create") < first
    assert starts.index("run services add-iam-policy-binding") > first
    assert starts.index("eventarc triggers create") > first
    assert starts.index("scheduler jobs create") > first


def test_gcloud_understands_every_command_of_an_empty_project(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    commands = dry_run(gcloud, "--database=backtests", "--location=eur3")
    calls = [command[1:] for command in commands if command[0] == "gcloud"]

    assert {command[0] for command in commands} == {"gcloud", "python3"}
    assert command_problems(tmp_path, _with_files_of_the_project(calls)) == []


def test_gcloud_understands_every_command_of_a_complete_project(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    gcloud.answer(_EVERYTHING_IS_THERE)

    done = gcloud.run([SCRIPT, *PLACE, *OPTIONS])

    assert done.returncode == 0, done.stderr
    assert len(gcloud.calls) > 50
    assert command_problems(tmp_path, _with_files_of_the_project(gcloud.calls)) == []


def test_what_is_there_is_not_made_again(gcloud: FakeGcloud) -> None:
    gcloud.answer(_EVERYTHING_IS_THERE)

    gcloud.run([SCRIPT, *PLACE, *OPTIONS])

    made = [call for call in gcloud.calls if "create" in call]
    # Indexes cannot be asked for by what they are; the call fails when they are there.
    assert [call for call in made if call[0] != "firestore"] == [
        call for call in made if call[:3] == ["beta", "services", "identity"]
    ]
    assert not any("delete" in word for call in gcloud.calls for word in call[:4])
    assert not any(call[:2] == ["builds", "submit"] for call in gcloud.calls)


def test_an_index_that_exists_is_no_failure_and_any_other_problem_is(gcloud: FakeGcloud) -> None:
    index = "firestore indexes composite create"
    gcloud.answer({index: (1, "ALREADY_EXISTS: index"), **_EVERYTHING_IS_THERE})
    exists = gcloud.run([SCRIPT, *PLACE])
    gcloud.answer({index: (1, "PERMISSION_DENIED: no"), **_EVERYTHING_IS_THERE})
    denied = gcloud.run([SCRIPT, *PLACE])

    assert exists.returncode == 0, exists.stderr
    assert denied.returncode == 1
    assert "PERMISSION_DENIED" in denied.stderr


def test_a_question_that_fails_ends_the_script_instead_of_making_a_second_one(
    gcloud: FakeGcloud,
) -> None:
    gcloud.answer({"iam service-accounts list": (1, "PERMISSION_DENIED: no")})

    done = gcloud.run([SCRIPT, *PLACE])

    assert done.returncode == 1
    assert not any("create" in call[:3] for call in gcloud.calls)


def test_the_push_subscription_keeps_its_promises(gcloud: FakeGcloud) -> None:
    commands = dry_run(gcloud)
    push = options_of(only(commands, "subscriptions", "create", "backtest-doorbell-push"))
    dead = options_of(only(commands, "subscriptions", "create", "backtest-doorbell-dead"))

    assert push["push-endpoint"] == (
        "https://backtest-worker-100000000000.europe-west1.run.app/pubsub/push"
    )
    assert push["push-endpoint"].startswith(push["push-auth-token-audience"])
    assert push["push-auth-service-account"] == ACCOUNT.format("backtest-push")
    assert push["ack-deadline"] == "600"
    assert (push["min-retry-delay"], push["max-retry-delay"]) == ("10s", "600s")
    assert push["expiration-period"] == dead["expiration-period"] == "never"
    assert push["dead-letter-topic"] == dead["topic"] == "backtest-doorbell-dead"
    assert push["max-delivery-attempts"] == "100"


def test_events_come_from_where_the_database_is(gcloud: FakeGcloud) -> None:
    commands = dry_run(gcloud, "--database=backtests", "--location=eur3")
    triggers = [
        command for command in commands if command[1:4] == ["eventarc", "triggers", "create"]
    ]

    assert [_filters(trigger)[2] for trigger in triggers] == [
        "document=backtestJobs/{jobId}",
        "document=backtestBundles/{bundleId}",
    ]
    for trigger in triggers:
        assert _filters(trigger)[:2] == [
            "type=google.cloud.firestore.document.v1.created",
            "database=backtests",
        ]
        options = options_of(trigger)
        assert options["location"] == "eur3"
        assert options["event-data-content-type"] == "application/protobuf"
        assert options["destination-run-region"] == "europe-west1"
        assert options["destination-run-path"] == "/events/firestore"


def test_the_sweep_runs_every_minute_with_a_token_for_the_control_service(
    gcloud: FakeGcloud,
) -> None:
    sweep = options_of(only(dry_run(gcloud), "scheduler", "create"))

    assert sweep["schedule"] == "* * * * *"
    assert sweep["uri"] == sweep["oidc-token-audience"] + "/tasks/sweep"
    assert sweep["oidc-service-account-email"] == ACCOUNT.format("backtest-scheduler")


def test_accounts_may_do_their_work_and_nothing_else(gcloud: FakeGcloud) -> None:
    granted: dict[str, set[str]] = {}
    for command in dry_run(gcloud):
        options = options_of(command)
        if "add-iam-policy-binding" in command:
            member = options["member"].removeprefix("serviceAccount:").split("@")[0]
            granted.setdefault(member, set()).add(options["role"])

    assert granted == {
        "backtest-worker": {
            "roles/datastore.user",
            "roles/pubsub.publisher",
            "roles/storage.objectUser",
            "roles/storage.objectViewer",
        },
        "backtest-control": {
            "roles/datastore.user",
            "roles/pubsub.publisher",
            "roles/storage.objectUser",
        },
        "backtest-push": {"roles/run.invoker"},
        "backtest-events": {"roles/eventarc.eventReceiver"},
        "backtest-deploy": {
            "roles/artifactregistry.writer",
            "roles/iam.serviceAccountUser",
            "roles/logging.logWriter",
            "roles/run.developer",
            "roles/run.invoker",
            "roles/storage.objectUser",
        },
        "service-100000000000": {
            "roles/iam.serviceAccountTokenCreator",
            "roles/pubsub.publisher",
            "roles/pubsub.subscriber",
        },
        "allUsers": {"roles/run.invoker"},
    }


def test_roles_on_the_whole_project_are_the_few_that_cannot_be_narrower(
    gcloud: FakeGcloud,
) -> None:
    commands = dry_run(gcloud)
    wide = {
        options_of(command)["role"]
        for command in commands
        if command[1:3] == ["projects", "add-iam-policy-binding"]
    }

    assert wide == {
        "roles/datastore.user",
        "roles/eventarc.eventReceiver",
        "roles/logging.logWriter",
        "roles/run.developer",
        "roles/run.invoker",
    }


def test_only_the_control_service_is_open(gcloud: FakeGcloud) -> None:
    open_to_all = [command for command in dry_run(gcloud) if "--member=allUsers" in command]

    assert [command[4] for command in open_to_all] == ["backtest-control"]


def test_rules_of_a_new_database_are_ours_to_release(gcloud: FakeGcloud) -> None:
    rules = only(dry_run(gcloud), "deploy/rules.py")
    assert "--own" in rules


def test_rules_of_somebody_else_do_not_stop_the_script(gcloud: FakeGcloud) -> None:
    gcloud.answer(_EVERYTHING_IS_THERE)
    gcloud.install("python3", _PYTHON.format(code=3, python=sys.executable))

    done = gcloud.run([SCRIPT, *PLACE])

    assert done.returncode == 0, done.stderr
    assert any(call[:2] == ["scheduler", "jobs"] for call in gcloud.calls)


def test_every_index_of_the_one_source_is_made(gcloud: FakeGcloud) -> None:
    declared = json.loads((ROOT / "firestore.indexes.json").read_text())
    commands = dry_run(gcloud)
    made = [
        command
        for command in commands
        if command[1:5] == _words("firestore indexes composite create")
    ]
    exempt = [
        command for command in commands if command[1:5] == _words("firestore indexes fields update")
    ]

    assert len(made) == len(declared["indexes"])
    for command, index in zip(made, declared["indexes"], strict=True):
        assert options_of(command)["collection-group"] == index["collectionGroup"]
        assert [
            word.partition("=")[2] for word in command if word.startswith("--field-config")
        ] == [
            f"field-path={field['fieldPath']},order={field['order'].lower()}"
            for field in index["fields"]
        ]
    assert [(options_of(command)["collection-group"], command[5]) for command in exempt] == [
        (field["collectionGroup"], field["fieldPath"]) for field in declared["fieldOverrides"]
    ]


def test_buckets_have_lifecycles_and_no_public_access(gcloud: FakeGcloud) -> None:
    commands = dry_run(gcloud)
    made = [command for command in commands if command[1:4] == _words("storage buckets create")]
    lifecycles = {
        command[4]: json.loads((ROOT / options_of(command)["lifecycle-file"]).read_text())
        for command in commands
        if command[1:4] == _words("storage buckets update")
    }

    assert {command[4] for command in made} == set(lifecycles)
    assert all("public-access-prevention" in options_of(command) for command in made)
    for name, lifecycle in lifecycles.items():
        deletions = [rule for rule in lifecycle["rule"] if rule["action"]["type"] == "Delete"]
        # Candles and artifacts outlive whatever a lifecycle could guess.
        assert bool(deletions) == name.endswith("-releases")


def test_metrics_are_there_before_the_policies_that_watch_them(gcloud: FakeGcloud) -> None:
    commands = dry_run(gcloud)
    starts = [command[1:4] for command in commands]
    metrics = [
        command[4] for command in commands if command[1:4] == _words("logging metrics create")
    ]
    files = sorted((ROOT / "deploy" / "metrics").glob("*.json"))

    assert metrics == [file.stem for file in files]
    last = len(starts) - 1 - starts[::-1].index(_words("logging metrics create"))
    assert last < starts.index(_words("alpha monitoring policies"))


def test_metrics_that_are_there_are_brought_up_to_date(gcloud: FakeGcloud) -> None:
    gcloud.answer(_EVERYTHING_IS_THERE)

    gcloud.run([SCRIPT, *PLACE])

    updated = [call for call in gcloud.calls if call[:3] == _words("logging metrics update")]
    assert len(updated) == len(list((ROOT / "deploy" / "metrics").glob("*.json")))


def test_the_database_is_copied_every_day(gcloud: FakeGcloud) -> None:
    schedule = options_of(only(dry_run(gcloud, "--database=backtests"), "backups", "create"))

    assert (schedule["recurrence"], schedule["retention"]) == ("daily", "7d")
    assert schedule["database"] == "backtests"


@pytest.mark.parametrize("arguments", [[], ["one"], ["a", "b", "c"], ["a", "b", "--nonsense"]])
def test_wrong_arguments_are_refused(gcloud: FakeGcloud, arguments: list[str]) -> None:
    done = gcloud.run([SCRIPT, *arguments])

    assert done.returncode == 64
    assert done.stderr
    assert gcloud.calls == []


def _words(text: str) -> list[str]:
    return text.split()


def _filters(trigger: Sequence[str]) -> list[str]:
    return [word.partition("=")[2] for word in trigger if word.startswith("--event-filters")]


def _with_files_of_the_project(calls: list[list[str]]) -> list[list[str]]:
    """gcloud's parser opens the files that it is given; the script runs in the project's root."""
    return [
        [
            word.replace("=deploy/", f"={ROOT}/deploy/").replace(
                "=cloudbuild.yaml", f"={ROOT}/cloudbuild.yaml"
            )
            for word in call
        ]
        for call in calls
    ]


_EVERYTHING_IS_THERE = {
    "projects describe": (0, "100000000000\n"),
    "firestore databases describe": (0, "europe-west1\n"),
    "auth print-access-token": (0, "token\n"),
    **{
        f"{what} list": (0, "found\n")
        for what in (
            "iam service-accounts",
            "firestore databases",
            "firestore backups schedules",
            "storage buckets",
            "pubsub topics",
            "pubsub subscriptions",
            "artifacts repositories",
            "run services",
            "eventarc triggers",
            "scheduler jobs",
            "beta monitoring channels",
            "alpha monitoring policies",
            "logging metrics",
        )
    },
}
_PYTHON = """#!/bin/sh
case $1 in
  *rules.py) exit {code} ;;
esac
exec {python} "$@"
"""
