"""deploy/bootstrap.sh run on projects that remember: empty, complete, drifted, and with faults."""

import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.cloud_project import METRIC_DELAY_SECONDS, PROJECT, CloudProject, Fault
from tests.support.cloud_sdk import command_problems
from tests.support.firebase_rules import FOREIGN
from tests.support.set_up import ROOT, SetUp, a_set_up

UP_TO_DATE = "Everything was up to date.\n"
EMAIL = "--alert-email=ops@example.com"
SQL_INSTANCE = f"{PROJECT}:europe-west1:backtest"
SQL = f"--sql-instance={SQL_INSTANCE}"
DEPLOYER = f"backtest-deploy@{PROJECT}.iam.gserviceaccount.com"
OPEN_ID = "roles/iam.serviceAccountOpenIdTokenCreator"
RULES = f"projects/{PROJECT}/releases/cloud.firestore"


class FirstRun(NamedTuple):
    """What a run on an empty project printed, did, and left behind."""

    printed: str
    changes: list[list[str]]
    calls: list[list[str]]
    project: CloudProject


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SetUp]:
    with a_set_up(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture(scope="module")
def first(machine: SetUp) -> FirstRun:
    machine.put_back(CloudProject())
    done = machine.bootstrap("--retention")
    assert done.returncode == 0, done.stderr
    return FirstRun(done.stdout, machine.changes(), machine.gcloud.calls, deepcopy(machine.project))


@pytest.fixture
def complete(machine: SetUp, first: FirstRun) -> SetUp:
    """After a first run."""
    machine.put_back(first.project)
    return machine


@pytest.fixture
def empty(machine: SetUp) -> SetUp:
    machine.put_back(CloudProject())
    machine.firebase.releases.clear()
    return machine


def list_of_failures(stderr: str) -> list[str]:
    """The list at the end, each with what to do."""
    _, _, listed = stderr.partition("Not everything is in place:\n\n")
    assert listed
    items = re.split(r"^- ", listed, flags=re.MULTILINE)[1:]
    return [f"- {item}".replace("\n  ", " ").rstrip() for item in items]


def with_files(calls: list[list[str]]) -> list[list[str]]:
    """gcloud's parser opens the files that it is given; those of the script are gone by now."""
    document = f"={ROOT}/deploy/lifecycle/releases.json"
    return [
        [
            word
            if word.startswith("--substitutions")
            else re.sub(r"=\S+\.(json|yaml)$", document, word)
            for word in call
        ]
        for call in calls
    ]


def made(project: CloudProject) -> dict[str, int]:
    return {kind: len(things) for kind, things in project.things.items() if things}


def test_a_run_in_an_empty_project_does_what_a_dry_run_prints(
    first: FirstRun, machine: SetUp
) -> None:
    printed = machine.bootstrap("--retention", "--dry-run")
    commands = [shlex.split(line) for line in printed.stdout.splitlines() if line[:1] not in "#"]

    assert printed.returncode == 0, printed.stderr
    assert machine.gcloud.calls == []
    # A command that is tried again counts once.
    once = [command for command, _ in groupby(first.changes)]
    assert once == [command[1:] for command in commands if command[0] == "gcloud"]


def test_a_first_run_names_each_thing_that_it_makes(first: FirstRun) -> None:
    lines = first.printed.splitlines()

    assert len(lines) == len(set(lines))
    assert "made topic backtest-doorbell" in lines
    assert "changed security rules" in lines
    assert "made index backtestJobs (userId, admittedAt desc)" in lines
    assert "A first release, because backtest-worker is not there:" in lines
    # The log of the build, the reason for it, and what has one line for several things.
    said = [line for line in lines if line.split()[0] in ("made", "changed", "granted", "enabled")]
    identities = [call for call in first.changes if call[:3] == ["beta", "services", "identity"]]
    once = [command for command, _ in groupby(first.changes)]
    assert len(said) == len(once) - len(identities) + len(["security rules"])


def test_policies_wait_for_their_metrics_and_no_longer(first: FirstRun) -> None:
    made_policies = len(list((ROOT / "deploy" / "alerts").glob("*.json")))

    assert len(first.project.kind("alerts")) == made_policies
    # One wait of ten minutes, not one for each policy.
    assert METRIC_DELAY_SECONDS <= first.project.clock <= METRIC_DELAY_SECONDS + 60


def test_a_second_run_is_silent_and_changes_nothing(complete: SetUp) -> None:
    before = deepcopy(complete.project)

    done = complete.bootstrap("--retention")

    assert (done.returncode, done.stdout, done.stderr) == (0, UP_TO_DATE, "")
    assert complete.project == before
    # There is no way to ask for a service agent; making one again changes nothing.
    assert {tuple(call[:4]) for call in complete.changes()} == {
        ("beta", "services", "identity", "create")
    }


def test_each_kind_of_drift_is_put_right_and_named(complete: SetUp, tmp_path: Path) -> None:
    project = complete.project
    project.kind("jobs")["backtest-sweep"]["schedule"] = "*/5 * * * *"
    project.revoke("backtest-doorbell", "roles/pubsub.publisher")
    project.revoke(DEPLOYER, OPEN_ID)
    alerts = project.kind("alerts")
    older = next(
        alert for alert in alerts.values() if alert["userLabels"]["policy"] == "backtest-old-rings"
    )
    older["documentation"]["content"] = "An older text."
    other_channel = "projects/my-project/notificationChannels/77"
    older["notificationChannels"] = [other_channel]
    older["enabled"] = False
    condition = older["conditions"][0]["name"]
    subscription = project.kind("subscriptions")["backtest-doorbell-push"]
    subscription["retryPolicy"] = {"minimumBackoff": "10s", "maximumBackoff": "60s"}
    subscription["expirationPolicy"] = {"ttl": "2678400s"}
    database = project.kind("databases")["(default)"]
    database["pointInTimeRecoveryEnablement"] = "POINT_IN_TIME_RECOVERY_DISABLED"
    project.kind("metrics")["backtest_held_seconds"]["filter"] = "another"
    project.kind("buckets")[f"{PROJECT}-backtest-releases"].pop("lifecycle")
    trigger = project.kind("triggers")["backtest-jobs"]
    trigger["destination"]["cloudRun"]["path"] = "/old"
    index = next(iter(project.kind("indexes")))
    project.kind("indexes").pop(index)
    exemption = next(name for name in project.kind("exemptions") if name.endswith("/variants"))
    project.kind("exemptions").pop(exemption)
    [results_expire] = project.kind("ttls")
    jobs_expire = results_expire.replace("backtestResults", "backtestJobs")
    project.kind("ttls")[jobs_expire] = {"name": jobs_expire}
    complete.firebase.put_in_force(
        RULES, complete.firebase.in_force().replace("isNewBundle", "isAnOlderBundle")
    )

    done = complete.bootstrap("--retention", EMAIL)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    attached = [line for line in lines if line.endswith(": its notification channel")]
    assert len(attached) == len(alerts) - 1
    worker, control = (
        f"serviceAccount:backtest-{name}@{PROJECT}.iam.gserviceaccount.com"
        for name in ("worker", "control")
    )
    publisher = "granted roles/pubsub.publisher on topic backtest-doorbell to"
    assert [line for line in lines if line not in attached] == [
        "changed Firestore database (default): pointInTimeRecoveryEnablement",
        "made index backtestJobs (status, lane, engineVersion, rank)",
        "made exemption of backtestJobs.variants from indexing",
        "ended expiry of backtestJobs",
        "changed security rules",
        f"changed bucket {PROJECT}-backtest-releases: lifecycle.rule",
        f"{publisher} {worker}",
        f"{publisher} {control}",
        "changed subscription backtest-doorbell-push: "
        'retryPolicy.maximumBackoff: "60s" -> "600s"; '
        'expirationPolicy.ttl: "2678400s" -> ""',
        f"granted {OPEN_ID} on account {DEPLOYER} to serviceAccount:{DEPLOYER}",
        'changed trigger backtest-jobs: destination.cloudRun.path: "/old" -> "/events/firestore"',
        'changed scheduler job backtest-sweep: schedule: "*/5 * * * *" -> "* * * * *"',
        "made notification channel to ops@example.com",
        "changed log metric backtest_held_seconds: filter",
        "changed alert policy old-rings: documentation.content",
    ]
    assert list(project.kind("ttls")) == [results_expire]
    # Updated in place, with what an operator had changed by hand.
    changed = alerts[older["name"]]
    assert changed["documentation"]["content"] != "An older text."
    assert "enabled" not in changed
    assert changed["conditions"][0]["name"] == condition
    [channel] = project.kind("channels")
    assert changed["notificationChannels"] == [other_channel, channel]
    assert all(channel in alert["notificationChannels"] for alert in alerts.values())
    assert command_problems(tmp_path, with_files(complete.gcloud.calls)) == []

    again = complete.bootstrap("--retention", EMAIL)
    assert (again.returncode, again.stdout) == (0, UP_TO_DATE)


def test_what_can_fail_alone_does_and_is_listed_with_what_to_do(empty: SetUp) -> None:
    empty.project.allows_all_users = False
    empty.firebase.trouble = (403, '{"error": {"message": "caller has no right"}}')
    denied = "PERMISSION_DENIED: The caller does not have permission"
    contention = "Aborted due to cross-transaction contention"
    empty.gcloud.faults = [
        Fault("firestore indexes composite create", denied, word="path=errorCode"),
        # Two tries meet another change; the third one succeeds.
        Fault("firestore indexes composite create", contention, word="path=userId", times=2),
        Fault("firestore backups schedules create", "INVALID_ARGUMENT: no"),
        Fault("eventarc triggers create backtest-bundles", "INTERNAL: no"),
        # Up to seven minutes, the documentation says.
        Fault(
            "eventarc triggers create backtest-jobs",
            "Permission denied while using the Eventarc Service Agent. If you recently started to "
            "use Eventarc, it may take a few minutes before all necessary permissions are "
            "propagated to the Service Agent.",
            times=9,
        ),
        Fault(
            "pubsub topics add-iam-policy-binding", "There were concurrent policy changes.", times=1
        ),
        Fault("logging metrics create backtest_failed_rings", denied),
        Fault("alpha monitoring policies create", denied, word="paused.json"),
    ]

    done = empty.bootstrap()

    assert done.returncode == 1
    failures = list_of_failures(done.stderr)
    assert [failure.split(": ")[0] + ": " + failure.split(": ")[1] for failure in failures[:2]] == [
        "- not made: index backtestJobs (errorCode, completedAt)",
        "- not made: daily backups",
    ]
    assert failures[2].startswith(
        "- security rules: The Firebase Rules API answered HTTP 403 (caller has no right)"
    )
    assert failures[3].startswith(
        "- not granted: roles/run.invoker on service backtest-control to allUsers: "
        "FAILED_PRECONDITION: "
    )
    assert "--no-invoker-iam-check" in failures[3]
    assert "iam.allowedPolicyMemberDomains" in failures[3]
    assert [failure.partition(": ")[2].split(":")[0] for failure in failures[4:]] == [
        "trigger backtest-bundles",
        "log metric backtest_failed_rings",
        "alert policy failed-rings",
        "alert policy paused",
    ]
    assert len(failures) == 8
    # `Traceback` of no program, and advice with every failure.
    assert "Traceback" not in done.stderr
    assert all("run this again" in failure.lower() or "sign in" in failure for failure in failures)
    # Events and the sweep reach the control service all the same.
    callers = {
        member
        for resource, member, role in empty.project.grants()
        if (resource, role) == ("backtest-control", "roles/run.invoker")
    }
    assert callers == {
        f"serviceAccount:backtest-{name}@{PROJECT}.iam.gserviceaccount.com"
        for name in ("events", "scheduler")
    }
    assert "backtest-sweep" in empty.project.kind("jobs")

    # The causes are gone, and the organization's policy is gone round.
    there = made(empty.project)
    empty.gcloud.faults = []
    empty.firebase.trouble = None
    again = empty.bootstrap("--no-invoker-iam-check", "--own-database")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == [
        "made index backtestJobs (errorCode, completedAt)",
        "made daily backups",
        "changed security rules",
        "changed service backtest-control: callers are not checked by IAM",
        "made trigger backtest-bundles",
        "made log metric backtest_failed_rings",
        "made alert policy failed-rings",
        "made alert policy paused",
    ]
    assert sum(made(empty.project).values()) == sum(there.values()) + len(
        [line for line in again.stdout.splitlines() if line.startswith("made")]
    )
    # Without the option the service stays open the way it was opened.
    assert empty.bootstrap().stdout == UP_TO_DATE


def test_a_first_release_that_died_is_made_again(complete: SetUp) -> None:
    for service in complete.project.kind("services").values():
        service["status"]["traffic"].pop()
    complete.project.kind("triggers").clear()
    complete.project.kind("alerts").popitem()
    complete.project.smoke_test_passes = False

    died = complete.bootstrap()

    reason = "no revision of backtest-worker has the tag `released`"
    assert reason in died.stdout
    assert died.returncode == 1
    [failure] = list_of_failures(died.stderr)
    assert failure.startswith("- not made: the first release: the build failed")
    # What needs the services waits, what does not is made.
    assert complete.project.kind("triggers") == {}
    assert "made alert policy workers-die" in died.stdout

    complete.project.smoke_test_passes = True
    done = complete.bootstrap()
    assert done.returncode == 0
    assert reason in done.stdout
    assert "made the first release" in done.stdout
    assert "made trigger backtest-jobs" in done.stdout


def test_the_build_account_may_make_itself_an_id_token_before_the_first_smoke_test(
    first: FirstRun,
) -> None:
    """The stand-in's build fails at its smoke test without the grant, as a real one does."""
    assert (DEPLOYER, f"serviceAccount:{DEPLOYER}", OPEN_ID) in first.project.grants()
    targets = [
        target.get("tag")
        for service in first.project.kind("services").values()
        for target in service["status"]["traffic"]
    ]
    assert targets.count("released") == 2


def test_a_step_that_others_need_ends_the_run_with_its_reason(empty: SetUp) -> None:
    empty.gcloud.faults = [Fault("iam service-accounts list", "PERMISSION_DENIED: no right")]

    done = empty.bootstrap()

    assert done.returncode == 1
    [failure] = list_of_failures(done.stderr.partition("\nStopped there")[0])
    assert "PERMISSION_DENIED: no right" in failure
    assert f"Owner of {PROJECT}" in failure
    assert "Stopped there: the steps that follow need it." in done.stderr
    # A question that failed is not taken for a no.
    assert set(made(empty.project)) == set()


def test_a_flag_that_an_older_sdk_lacks_is_a_matter_of_the_sdk(empty: SetUp) -> None:
    empty.gcloud.unknown_flags = {"enable-pitr"}

    done = empty.bootstrap()

    assert done.returncode == 1
    [failure] = list_of_failures(done.stderr.partition("\nStopped there")[0])
    assert "unrecognized arguments: --enable-pitr" in failure
    assert "gcloud components update" in failure


def test_rules_of_another_app_and_a_trigger_of_another_database_are_left_alone(
    complete: SetUp,
) -> None:
    complete.firebase.put_in_force(RULES, FOREIGN)
    trigger = complete.project.kind("triggers")["backtest-bundles"]
    for event_filter in trigger["eventFilters"]:
        if event_filter["attribute"] == "database":
            event_filter["value"] = "restored"
    there = deepcopy(trigger)

    done = complete.bootstrap()

    assert done.returncode == 1
    rules, events = list_of_failures(done.stderr)
    assert rules.startswith("- security rules: this database has rules of another app")
    assert "match /backtestJobs/{jobId}" in done.stdout
    assert events.startswith("- trigger backtest-bundles: it listens to something else")
    assert "gcloud eventarc triggers delete backtest-bundles" in events
    assert complete.project.kind("triggers")["backtest-bundles"] == there
    assert complete.firebase.in_force() == FOREIGN


def test_a_database_in_datastore_mode_is_refused(complete: SetUp) -> None:
    complete.project.kind("databases")["(default)"]["type"] = "DATASTORE_MODE"

    done = complete.bootstrap()

    assert done.returncode == 1
    assert "Datastore mode" in done.stderr
    assert "--database=NAME" in done.stderr


def test_cloud_sql_waits_for_what_is_made_by_hand(empty: SetUp, tmp_path: Path) -> None:
    early = empty.bootstrap(SQL)

    assert early.returncode == 1
    instance, secret, release = list_of_failures(early.stderr)
    assert instance.startswith("- Cloud SQL instance backtest: it is not in the project")
    assert "gcloud sql instances create backtest" in instance
    assert secret.startswith("- secret backtest-store: it is not in the project")
    assert "gcloud secrets create backtest-store" in secret
    assert release.startswith("- not made: the first release")
    assert empty.project.kind("services") == {}
    assert len(empty.project.kind("alerts")) > 10

    # An instance of nearly the same name is not it.
    empty.project.kind("instances")["backtest2"] = {"name": "backtest2"}
    empty.project.kind("instances")["backtest"] = {"name": "backtest"}
    empty.project.kind("secrets")["backtest-store"] = {"name": "projects/1/secrets/backtest-store"}
    done = empty.bootstrap(SQL)

    assert done.returncode == 0, done.stderr
    submitted = next(call for call in empty.gcloud.calls if call[:2] == ["builds", "submit"])
    assert f"--substitutions=_REGION=europe-west1,_SQL_INSTANCE={SQL_INSTANCE}" in submitted
    readers = {
        member for resource, member, _ in empty.project.grants() if resource == "backtest-store"
    }
    assert readers == {
        f"serviceAccount:backtest-{name}@{PROJECT}.iam.gserviceaccount.com"
        for name in ("worker", "control")
    }
    assert command_problems(tmp_path, with_files(empty.gcloud.calls)) == []

    other = empty.bootstrap()
    assert other.returncode == 64
    assert f"pass {SQL}" in other.stderr
    # Pollers beside the services need nothing more.
    assert empty.bootstrap(SQL, "--pool-only").stdout == UP_TO_DATE
    assert empty.project.kind("databases") == {}


def test_services_on_firestore_are_not_prepared_for_cloud_sql(complete: SetUp) -> None:
    done = complete.bootstrap(SQL)

    assert done.returncode == 64
    assert "keeps its jobs in Firestore" in done.stderr


def test_pollers_alone_are_complete_after_one_run(empty: SetUp) -> None:
    empty.project.kind("instances")["backtest"] = {"name": "backtest"}
    empty.project.kind("secrets")["backtest-store"] = {"name": "projects/1/secrets/backtest-store"}

    done = empty.bootstrap(SQL, "--pool-only", EMAIL)

    assert done.returncode == 0, done.stderr
    assert set(made(empty.project)) == {
        *("accounts", "buckets", "repositories", "instances", "secrets"),
        *("channels", "metrics", "alerts", "dashboards"),
    }
