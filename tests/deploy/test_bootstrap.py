"""deploy/bootstrap.sh: the commands for an empty project, as a dry run prints them.

What runs do to projects is in test_bootstrap_runs.py.
"""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.support.cloud_sdk import command_problems
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "bootstrap.sh")
PLACE = ("my-project", "europe-west1")
OPTIONS = ("--retention", "--alert-email=ops@example.com")
ACCOUNT = "{}@my-project.iam.gserviceaccount.com"
SQL = "--sql-instance=my-project:europe-west1:backtest"

Commands = list[list[str]]


@pytest.fixture(scope="module")
def gcloud(tmp_path_factory: pytest.TempPathFactory) -> FakeGcloud:
    fake = FakeGcloud(tmp_path_factory.mktemp("fake"))
    fake.install("python3", f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    return fake


@pytest.fixture(scope="module")
def dry_run(gcloud: FakeGcloud) -> Callable[..., Commands]:
    """The commands that a dry run with these options (and OPTIONS) prints."""

    @cache
    def dry_run(*options: str) -> Commands:
        given = OPTIONS if SQL not in options else OPTIONS[1:]
        done = gcloud.run([SCRIPT, *PLACE, "--dry-run", *given, *options])
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        return [shlex.split(line) for line in lines if line and not line.startswith("#")]

    return dry_run


DryRun = Callable[..., Commands]


def options_of(command: Sequence[str]) -> dict[str, str]:
    pairs = [word[2:].partition("=") for word in command if word.startswith("--")]
    return {name: value for name, _, value in pairs}


def only(commands: list[list[str]], *words: str) -> list[str]:
    found = [command for command in commands if set(words) <= set(command)]
    assert len(found) == 1, found
    return found[0]


def test_a_dry_run_calls_nothing(dry_run: DryRun, gcloud: FakeGcloud) -> None:
    assert len(dry_run()) > 50
    assert gcloud.calls == []


def test_the_first_release_comes_before_what_needs_the_services(dry_run: DryRun) -> None:
    starts = [" ".join(command[1:4]) for command in dry_run()]

    first = starts.index("builds submit --config=cloudbuild.yaml")
    assert starts.index("artifacts repositories create") < first
    assert starts.index("run services add-iam-policy-binding") > first
    assert starts.index("eventarc triggers create") > first
    assert starts.index("scheduler jobs create") > first


def test_gcloud_understands_every_command_of_an_empty_project(
    dry_run: DryRun, tmp_path: Path
) -> None:
    commands = dry_run("--database=backtests", "--location=eur3", "--no-invoker-iam-check")
    calls = [command[1:] for command in commands if command[0] == "gcloud"]

    assert {command[0] for command in commands} == {"gcloud", "python3"}
    assert any("--no-invoker-iam-check" in call for call in calls)
    assert not any("--member=allUsers" in call for call in calls)
    assert command_problems(tmp_path, _with_files_of_the_project(calls)) == []


def test_the_push_subscription_keeps_its_promises(dry_run: DryRun) -> None:
    commands = dry_run()
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


def test_events_come_from_where_the_database_is(dry_run: DryRun) -> None:
    commands = dry_run("--database=backtests", "--location=eur3")
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
    dry_run: DryRun,
) -> None:
    sweep = options_of(only(dry_run(), "scheduler", "create"))

    assert sweep["schedule"] == "* * * * *"
    assert sweep["uri"] == sweep["oidc-token-audience"] + "/tasks/sweep"
    assert sweep["oidc-service-account-email"] == ACCOUNT.format("backtest-scheduler")


def granted(commands: Commands) -> dict[str, set[str]]:
    """Roles by account."""
    roles: dict[str, set[str]] = {}
    for command in commands:
        options = options_of(command)
        if "add-iam-policy-binding" in command:
            member = options["member"].removeprefix("serviceAccount:").split("@")[0]
            roles.setdefault(member, set()).add(options["role"])
    return roles


EVERY_PUSHED_INSTALLATION = {
    "backtest-push": {"roles/run.invoker"},
    "backtest-scheduler": {"roles/run.invoker"},
    "backtest-deploy": {
        "roles/artifactregistry.writer",
        "roles/iam.serviceAccountOpenIdTokenCreator",
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
IN_SQL = {"roles/cloudsql.client", "roles/secretmanager.secretAccessor"}


def test_accounts_may_do_their_work_and_nothing_else(dry_run: DryRun) -> None:
    assert granted(dry_run()) == {
        **EVERY_PUSHED_INSTALLATION,
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
        "backtest-events": {"roles/eventarc.eventReceiver", "roles/run.invoker"},
    }


def test_with_cloud_sql_nothing_of_firestore_is_made_and_both_services_reach_the_database(
    dry_run: DryRun,
) -> None:
    commands = dry_run(SQL)

    assert granted(commands) == {
        **EVERY_PUSHED_INSTALLATION,
        "backtest-worker": {
            *IN_SQL,
            "roles/pubsub.publisher",
            "roles/storage.objectUser",
            "roles/storage.objectViewer",
        },
        "backtest-control": {*IN_SQL, "roles/pubsub.publisher", "roles/storage.objectUser"},
    }
    assert not {"firestore", "eventarc"} & {command[1] for command in commands}
    assert not any("deploy/rules.py" in command for command in commands)
    substitutions = options_of(only(commands, "builds", "submit"))["substitutions"]
    assert substitutions == f"_REGION=europe-west1,_SQL_INSTANCE={SQL.partition('=')[2]}"


def test_pollers_alone_get_no_services_and_what_those_need(dry_run: DryRun) -> None:
    commands = dry_run(SQL, "--pool-only")

    assert granted(commands) == {
        "backtest-worker": {*IN_SQL, "roles/storage.objectUser", "roles/storage.objectViewer"},
        "backtest-deploy": {
            "roles/artifactregistry.writer",
            "roles/iam.serviceAccountUser",
            "roles/logging.logWriter",
            "roles/run.developer",
            "roles/storage.objectUser",
        },
    }
    made = {" ".join(command[1:4]) for command in commands if "create" in command}
    assert made == {
        "iam service-accounts create",
        "storage buckets create",
        "artifacts repositories create",
        "logging metrics create",
        "beta monitoring channels",
        "alpha monitoring policies",
        "monitoring dashboards create",
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"firestore", "firebaserules", "eventarc", "eventarcpublishing", "pubsub"}),
        ((SQL,), {"sqladmin", "secretmanager", "pubsub", "cloudscheduler"}),
        ((SQL, "--pool-only"), {"sqladmin", "secretmanager"}),
    ],
    ids=["firestore", "sql", "pool"],
)
def test_every_api_is_enabled_that_its_commands_call(
    options: tuple[str, ...], expected: set[str], dry_run: DryRun
) -> None:
    command = only(dry_run(*options), "services", "enable")
    enabled = {word.removesuffix(".googleapis.com") for word in command[3:] if "=" not in word}

    # What the build and the ID token of its smoke test call.
    assert enabled >= expected | {"cloudresourcemanager", "iamcredentials", "cloudbuild"}
    optional = {"firestore", "firebaserules", "eventarc", "eventarcpublishing", "sqladmin"}
    assert not (optional - expected) & enabled


def test_the_first_release_is_built_where_builds_are_allowed(dry_run: DryRun) -> None:
    def regions(*options: str) -> tuple[str, str]:
        given = options_of(only(dry_run(*options), "builds", "submit"))
        return given["region"], given["substitutions"]

    assert regions() == ("europe-west1", "_REGION=europe-west1,_DATABASE=(default)")
    assert regions("--build-region=us-central1") == (
        "us-central1",
        "_REGION=europe-west1,_DATABASE=(default)",
    )


def test_roles_on_the_whole_project_are_the_few_that_cannot_be_narrower(
    dry_run: DryRun,
) -> None:
    commands = dry_run()
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


def test_only_the_control_service_is_open(dry_run: DryRun) -> None:
    open_to_all = [command for command in dry_run() if "--member=allUsers" in command]

    assert [command[4] for command in open_to_all] == ["backtest-control"]


def test_rules_of_a_new_database_are_ours_to_release(dry_run: DryRun) -> None:
    rules = only(dry_run(), "deploy/rules.py")
    assert "--own" in rules


def test_every_index_of_the_one_source_is_made(dry_run: DryRun) -> None:
    declared = json.loads((ROOT / "firestore.indexes.json").read_text())
    commands = dry_run()
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


def test_buckets_have_lifecycles_and_no_public_access(dry_run: DryRun) -> None:
    commands = dry_run()
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


def test_metrics_are_there_before_the_policies_that_watch_them(dry_run: DryRun) -> None:
    commands = dry_run()
    starts = [command[1:4] for command in commands]
    metrics = [
        command[4] for command in commands if command[1:4] == _words("logging metrics create")
    ]
    files = sorted((ROOT / "deploy" / "metrics").glob("*.json"))

    assert metrics == [file.stem for file in files]
    last = len(starts) - 1 - starts[::-1].index(_words("logging metrics create"))
    assert last < starts.index(_words("alpha monitoring policies"))


def test_a_new_database_cannot_be_deleted_and_keeps_its_history(dry_run: DryRun) -> None:
    database = options_of(only(dry_run(), "databases", "create"))

    assert {"delete-protection", "enable-pitr"} <= database.keys()


def test_the_database_is_copied_every_day(dry_run: DryRun) -> None:
    schedule = options_of(only(dry_run("--database=backtests"), "backups", "create"))

    assert (schedule["recurrence"], schedule["retention"]) == ("daily", "7d")
    assert schedule["database"] == "backtests"


@pytest.mark.parametrize("arguments", [[], ["one"], ["a", "b", "c"], ["a", "b", "--nonsense"]])
def test_wrong_arguments_are_refused(gcloud: FakeGcloud, arguments: list[str]) -> None:
    done = gcloud.run([SCRIPT, *arguments])

    assert done.returncode == 64
    assert done.stderr
    assert gcloud.calls == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sql-instance=backtest",), "expected PROJECT:REGION:NAME"),
        (("--sql-instance=a:b:c:d",), "expected PROJECT:REGION:NAME"),
        ((SQL, "--database=x"), "--sql-instance keeps jobs in Cloud SQL"),
        ((SQL, "--retention"), "RETENTION_DAYS alone is enough"),
        ((SQL, "--own-database"), "--sql-instance keeps jobs in Cloud SQL"),
        (("--pool-only",), "--pool-only needs --sql-instance"),
        ((SQL, "--pool-only", "--build-region=us-east1"), "--build-region means nothing"),
        ((SQL, "--pool-only", "--no-invoker-iam-check"), "has no control service"),
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused_in_a_sentence(
    gcloud: FakeGcloud, options: tuple[str, ...], said: str
) -> None:
    done = gcloud.run([SCRIPT, *PLACE, *options])

    assert done.returncode == 64
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
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
