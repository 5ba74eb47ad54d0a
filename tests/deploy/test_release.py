"""deploy/release.sh: one service from an image to traffic, with a gcloud that only writes down."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import engine
from deploy.revision import BY_HAND, changed
from tests.support.cloud_run import (
    DIGEST,
    VALUES,
    described_pool,
    described_revision,
    described_service,
    keep_manifests,
    kept_manifests,
    released,
    variables,
)
from tests.support.cloud_sdk import command_problems
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "release.sh")
SQL_INSTANCE = VALUES["SQL_INSTANCE"]
ENVIRONMENT = {
    "PROJECT": "my-project",
    "PROJECT_NUMBER": "123",
    "REGION": "europe-west1",
    "RELEASE": "r2",
    "IMAGE": DIGEST,
}
OLD = {"revisionName": "backtest-worker-r1", "percent": 100}
NEW = {"revisionName": "backtest-worker-r2", "tag": "candidate", "url": "https://candidate---x"}


@pytest.fixture
def gcloud(tmp_path: Path) -> FakeGcloud:
    fake = FakeGcloud(tmp_path / "fake")
    keep_manifests(fake, tmp_path)
    return fake


def release(
    gcloud: FakeGcloud, *arguments: str, **changed: str
) -> subprocess.CompletedProcess[str]:
    return gcloud.run([SCRIPT, *arguments], env={**ENVIRONMENT, **changed})


def there(
    *traffic: dict[str, Any], manifest: dict[str, Any] | None = None, **annotations: str
) -> dict[str, tuple[int, str]]:
    """``manifest``'s revision serves, as the first of ``traffic`` says."""
    manifest = manifest or released("backtest-worker")
    service = described_service(manifest, *traffic, **annotations)
    return {
        "run services list": (0, "another\nbacktest-control\nbacktest-worker\n"),
        "run services describe backtest-worker --format=value": (0, "https://service\n"),
        "run services describe": (0, json.dumps(service)),
        "run revisions describe": (0, json.dumps(described_revision(manifest))),
        "auth print-identity-token": (0, "a-token\n"),
    }


def test_replace_pins_the_serving_revision(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer(there(OLD))

    done = release(gcloud, "replace", "backtest-worker")

    assert done.returncode == 0, done.stderr
    [manifest] = kept_manifests(tmp_path)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST
    assert manifest["spec"]["traffic"] == [
        {"revisionName": "backtest-worker-r1", "percent": 100},
        {"revisionName": "backtest-worker-r2", "percent": 0, "tag": "candidate"},
    ]


def test_the_first_replace_of_the_worker_takes_traffic(gcloud: FakeGcloud, tmp_path: Path) -> None:
    assert release(gcloud, "replace", "backtest-worker").returncode == 0
    [manifest] = kept_manifests(tmp_path)
    assert manifest["spec"]["traffic"][0]["percent"] == 100


def test_the_first_replace_of_the_control_service_learns_its_own_address(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    assert release(gcloud, "replace", "backtest-control").returncode == 0
    names = [
        manifest["spec"]["template"]["metadata"]["name"] for manifest in kept_manifests(tmp_path)
    ]
    assert names == ["backtest-control-r2-first", "backtest-control-r2"]


def test_a_build_does_not_ask_for_the_projects_number(gcloud: FakeGcloud) -> None:
    assert release(gcloud, "replace", "backtest-control").returncode == 0
    assert not any(call[:2] == ["projects", "describe"] for call in gcloud.calls)


def test_by_hand_the_projects_number_is_asked_for(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer({"projects describe": (0, "456\n")})
    assert release(gcloud, "replace", "backtest-control", PROJECT_NUMBER="").returncode == 0
    address = "https://backtest-control-456.europe-west1.run.app"
    assert variables(kept_manifests(tmp_path)[0])["OIDC_AUDIENCES"].startswith(address)

    gcloud.answer({"projects describe": (1, "API has not been used")})
    refused = release(gcloud, "replace", "backtest-worker", PROJECT_NUMBER="")
    assert refused.returncode == 1
    assert "give it as PROJECT_NUMBER" in refused.stderr
    assert len(kept_manifests(tmp_path)) == 2


def test_an_image_without_a_digest_is_refused(gcloud: FakeGcloud) -> None:
    done = release(gcloud, "replace", "backtest-worker", IMAGE="registry/backtest-worker:latest")

    assert done.returncode == 64
    assert "digest" in done.stderr
    assert gcloud.calls == []


def test_a_failed_look_at_the_service_deploys_nothing(gcloud: FakeGcloud) -> None:
    gcloud.answer({"run services list": (1, "PERMISSION_DENIED: no")})

    done = release(gcloud, "replace", "backtest-worker")

    assert done.returncode != 0
    assert not any("replace" in call for call in gcloud.calls)


def shifts(gcloud: FakeGcloud) -> list[list[str]]:
    return [call[4:-2] for call in gcloud.calls if "update-traffic" in call]


def test_shift_gives_all_traffic_and_keeps_the_way_back(gcloud: FakeGcloud) -> None:
    gcloud.answer(there(OLD, NEW))

    done = release(gcloud, "shift", "backtest-worker")

    assert done.returncode == 0, done.stderr
    tags = "--update-tags=released=backtest-worker-r2,previous=backtest-worker-r1"
    assert shifts(gcloud) == [["--to-revisions=backtest-worker-r2=100", tags]]


@pytest.mark.parametrize(
    "before",
    ["backtest-worker-r2", "backtest-worker-r2-first", "backtest-worker-r1-first"],
)
def test_shift_of_a_first_release_has_no_way_back(before: str, gcloud: FakeGcloud) -> None:
    gcloud.answer(there({"revisionName": before, "percent": 100}))

    assert release(gcloud, "shift", "backtest-worker").returncode == 0
    assert shifts(gcloud) == [
        ["--to-revisions=backtest-worker-r2=100", "--update-tags=released=backtest-worker-r2"]
    ]


def test_a_shift_that_gcloud_calls_failed_is_judged_by_the_traffic(gcloud: FakeGcloud) -> None:
    """It waits for the whole service, whose newest revision may be another one that failed."""
    no = {"run services update-traffic": (1, "the newest revision is not ready")}
    gcloud.answer(no | there({**NEW, "percent": 100}))
    assert release(gcloud, "shift", "backtest-worker").returncode == 0

    gcloud.answer(no | there(OLD, NEW))
    done = release(gcloud, "shift", "backtest-worker")
    assert done.returncode == 1
    assert "could not be moved to backtest-worker-r2" in done.stderr


CURL = f"""#!{sys.executable} -IS
import json, sys
arguments = sys.argv[1:]
with open(__file__ + ".calls", "a") as log:
    log.write(json.dumps(arguments) + "\\n")
if "--output" in arguments:
    with open(arguments[arguments.index("--output") + 1], "w") as file:
        json.dump({{"backtestResult": {{"bars": 40, "equityCurve": [1], "totalReturn": 0}}}}, file)
"""


def curl_calls(tmp_path: Path) -> list[list[str]]:
    log = tmp_path / "fake" / "bin" / "curl.calls"
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_smoke_asks_the_new_revision_and_never_pushes(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer(there(OLD, NEW))
    gcloud.install("curl", CURL)

    done = release(gcloud, "smoke", "backtest-worker")

    assert done.returncode == 0, done.stderr
    calls = curl_calls(tmp_path)
    assert [call[-1] for call in calls] == [
        "https://candidate---x/ready",
        "https://candidate---x/run-backtest",
    ]
    assert all("Authorization: Bearer a-token" in call for call in calls)
    token = next(call for call in gcloud.calls if call[0] == "auth")
    assert "--audiences=https://service" in token


def test_smoke_of_the_control_service_only_asks_whether_it_is_ready(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    new = {**NEW, "revisionName": "backtest-control-r2"}
    gcloud.answer(there(new, manifest=released("backtest-control")))
    gcloud.install("curl", CURL)

    assert release(gcloud, "smoke", "backtest-control").returncode == 0
    assert [call[-1] for call in curl_calls(tmp_path)] == ["https://candidate---x/ready"]


def test_smoke_fails_when_the_revision_has_no_address_or_does_not_answer(
    gcloud: FakeGcloud,
) -> None:
    gcloud.answer(there(OLD))
    assert "no address" in release(gcloud, "smoke", "backtest-worker").stderr
    gcloud.answer(there(OLD, NEW))
    gcloud.install("curl", "#!/bin/sh\nexit 22\n")
    assert release(gcloud, "smoke", "backtest-worker").returncode == 22


def test_a_person_calls_with_a_token_of_no_audience(gcloud: FakeGcloud, tmp_path: Path) -> None:
    refused = {"auth print-identity-token --audiences": (1, "Invalid account type")}
    gcloud.answer(refused | there(OLD, NEW))
    gcloud.install("curl", CURL)

    done = release(gcloud, "smoke", "backtest-worker")

    assert done.returncode == 0, done.stderr
    assert "Invalid" not in done.stderr
    assert "Authorization: Bearer a-token" in curl_calls(tmp_path)[0]


def test_a_build_without_the_right_to_a_token_is_told_which_one(gcloud: FakeGcloud) -> None:
    gcloud.answer(there(OLD, NEW) | {"auth print-identity-token": (1, "403")})

    done = release(gcloud, "smoke", "backtest-worker")

    assert done.returncode == 1
    assert "iam.serviceAccountOpenIdTokenCreator" in done.stderr


def test_the_smoke_backtest_is_one_that_the_engine_runs() -> None:
    smoke = json.loads((ROOT / "deploy" / "smoke.json").read_text())

    result = engine.run_backtest(engine.parse_config(smoke["configUsed"])).to_document()

    assert result["bars"] == 40
    assert result["equityCurve"]


def test_gcloud_understands_every_call(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer({"auth print-identity-token --aud": (1, "no")} | there(OLD, NEW))
    gcloud.install("curl", CURL)
    release(gcloud, "smoke", "backtest-worker")
    release(gcloud, "shift", "backtest-worker")
    release(gcloud, "replace", "backtest-worker", RELEASE="r3", PROJECT_NUMBER="")
    serving_pool(gcloud, released("backtest-poller"))
    release_pool(gcloud)
    manifest = tmp_path / "service.yaml"
    manifest.write_text("{}\n")

    calls = [
        [str(manifest) if word.endswith("/service.yaml") else word for word in call]
        for call in gcloud.calls
    ]

    assert {"replace", "update-traffic", "print-identity-token", "worker-pools", "projects"} <= {
        word for call in calls for word in call
    }
    assert [call[3] for call in calls if "worker-pools" in call] == [
        *("list", "describe", "revisions", "replace"),
    ]
    assert command_problems(tmp_path, calls) == []


@pytest.mark.parametrize(
    "arguments",
    [
        *(("replace", "another"), ("destroy", "backtest-worker"), ("pool", "backtest-worker")),
        *(("replace", "backtest-poller"), ("replace", "backtest-worker-")),
    ],
    ids=str,
)
def test_unknown_words_are_refused(gcloud: FakeGcloud, arguments: tuple[str, ...]) -> None:
    assert release(gcloud, *arguments).returncode == 64
    assert gcloud.calls == []


def release_pool(gcloud: FakeGcloud, **changed: str) -> subprocess.CompletedProcess[str]:
    return release(gcloud, "pool", "backtest-poller", **{"SQL_INSTANCE": SQL_INSTANCE, **changed})


def serving_pool(gcloud: FakeGcloud, manifest: dict[str, Any]) -> None:
    name = manifest["spec"]["template"]["metadata"]["name"]
    pool = described_pool(manifest, {"revisionName": name, "percent": 100, "latestRevision": True})
    start = "beta run worker-pools"
    gcloud.answer(
        {
            f"{start} list": (0, "backtest-poller\n"),
            f"{start} describe": (0, json.dumps(pool)),
            f"{start} revisions describe": (0, json.dumps(described_revision(manifest))),
        }
    )


@pytest.mark.parametrize("now", [None, 7, 0], ids=["none yet", "seven", "none on purpose"])
def test_a_release_of_the_pool_keeps_the_number_of_pollers(
    now: int | None, gcloud: FakeGcloud, tmp_path: Path
) -> None:
    if now is not None:
        old = released("backtest-poller")
        old["metadata"]["annotations"]["run.googleapis.com/manualInstanceCount"] = str(now)
        serving_pool(gcloud, old)

    done = release_pool(gcloud)

    assert done.returncode == 0, done.stderr
    [manifest] = kept_manifests(tmp_path)
    count = manifest["metadata"]["annotations"]["run.googleapis.com/manualInstanceCount"]
    assert count == ("1" if now is None else str(now))
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST


def test_a_pool_without_its_database_or_a_digest_is_not_released(gcloud: FakeGcloud) -> None:
    assert "PROJECT:REGION:INSTANCE" in release_pool(gcloud, SQL_INSTANCE="").stderr
    assert release_pool(gcloud, IMAGE="registry/backtest-worker:latest").returncode == 64
    assert not any("replace" in call for call in gcloud.calls)


def test_a_second_worker_is_a_service_of_its_own(gcloud: FakeGcloud, tmp_path: Path) -> None:
    assert release(gcloud, "replace", "backtest-worker-v1").returncode == 0

    [manifest] = kept_manifests(tmp_path)
    assert manifest["metadata"]["name"] == "backtest-worker-v1"
    assert manifest["spec"]["template"]["metadata"]["name"] == "backtest-worker-v1-r2"
    service = manifest["spec"]["template"]["spec"]["serviceAccountName"]
    assert service == "backtest-worker@my-project.iam.gserviceaccount.com"


def set_by_hand(manifest: dict[str, Any], **changes: str | None) -> dict[str, Any]:
    """As deploy/set.sh leaves it."""
    template = changed(manifest["spec"]["template"], changes)
    return {**manifest, "spec": {**manifest["spec"], "template": template}}


class TestWhatServesIsNotUndone:
    def replace(
        self,
        gcloud: FakeGcloud,
        serving: dict[str, Any],
        service: str = "backtest-worker",
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        name = serving["spec"]["template"]["metadata"]["name"]
        gcloud.answer(there({"revisionName": name, "percent": 100}, manifest=serving))
        return release(gcloud, "replace", service, **environment)

    def stops(self, done: subprocess.CompletedProcess[str], gcloud: FakeGcloud) -> str:
        assert done.returncode == 1
        assert not any("replace" in call for call in gcloud.calls)
        assert "was not released" in done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def test_another_kind_of_store_stops_it(self, gcloud: FakeGcloud) -> None:
        on_sql = released("backtest-control", sql=True)
        said = self.stops(self.replace(gcloud, on_sql, "backtest-control"), gcloud)
        assert f"has its jobs in postgresql ({SQL_INSTANCE})" in said
        assert "into firestore (my-project/(default))" in said
        assert "CHANGE_STORE=firestore" in said

    @pytest.mark.parametrize(
        ("sql", "environment", "kind"),
        [
            (False, {"SQL_INSTANCE": SQL_INSTANCE}, "postgresql"),
            (False, {"DATABASE": "restored"}, "firestore"),
            (True, {"SQL_INSTANCE": "my-project:europe-west1:another"}, "postgresql"),
        ],
        ids=["from Firestore to SQL", "another database", "another instance"],
    )
    def test_another_store_takes_its_kind_in_words(
        self, sql: bool, environment: dict[str, str], kind: str, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        serving = released("backtest-worker", sql=sql)

        for wrong in ("", "yes", "firestore" if kind == "postgresql" else "postgresql"):
            done = self.replace(gcloud, serving, **environment, CHANGE_STORE=wrong)
            self.stops(done, gcloud)
        done = self.replace(gcloud, serving, **environment, CHANGE_STORE=kind)

        assert done.returncode == 0, done.stderr
        assert len(kept_manifests(tmp_path)) == 1

    def test_a_release_on_sql_stays_there(self, gcloud: FakeGcloud, tmp_path: Path) -> None:
        for service in ("backtest-worker", "backtest-control"):
            serving = released(service, sql=True)
            done = self.replace(gcloud, serving, service, SQL_INSTANCE=SQL_INSTANCE)
            assert done.returncode == 0, done.stderr
        for manifest in kept_manifests(tmp_path):
            assert "STORE" not in variables(manifest)

    def test_a_dropped_setting_stops_it(self, gcloud: FakeGcloud) -> None:
        serving = released("backtest-worker", RETENTION_DAYS="90", LEASE_SECONDS="120")

        said = self.stops(self.replace(gcloud, serving), gcloud)

        assert "has the setting RETENTION_DAYS" in said
        assert "deploy/set.sh backtest-worker LEASE_SECONDS-" in said
        assert "deploy/settings.env" in said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"memory": "2Gi"}, ("service.yaml", "memory=1Gi")),
            ({"max-instances": "20"}, ("MAX_WORKERS in deploy/settings.env", "max-instances=10")),
            ({"LOG_FORMAT": "text"}, ("in service.yaml", "LOG_FORMAT=json")),
            ({"LOG_FORMAT": None}, ("to (not set)", "LOG_FORMAT=json")),
            ({"ROLLOUT_PERCENT": "0"}, ("in deploy/settings.env", "ROLLOUT_PERCENT-")),
        ],
        ids=str,
    )
    def test_a_setting_that_was_changed_by_hand_stops_it(
        self, changes: dict[str, str | None], said: tuple[str, ...], gcloud: FakeGcloud
    ) -> None:
        serving = set_by_hand(released("backtest-worker"), **changes)

        told = self.stops(self.replace(gcloud, serving), gcloud)

        [name] = changes
        assert f"{name} of backtest-worker was changed with deploy/set.sh" in told
        assert all(words in told for words in said)
        assert told.count("\n") == 2

    def test_the_same_value_in_the_release_goes_on_and_ends_the_record(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        serving = set_by_hand(released("backtest-worker"), memory="1Gi")

        done = self.replace(gcloud, serving)

        assert done.returncode == 0, done.stderr
        [manifest] = kept_manifests(tmp_path)
        assert BY_HAND not in manifest["spec"]["template"]["metadata"]["annotations"]

    def test_other_changes_are_named_and_secrets_not_shown(self, gcloud: FakeGcloud) -> None:
        serving = released("backtest-worker", MAX_WORKERS="4")
        [container] = serving["spec"]["template"]["spec"]["containers"]
        container["env"][0] = {"name": "STORE", "value": "postgresql+psycopg://u:hidden@h/d"}
        container["resources"]["limits"] = {"cpu": "1000m", "memory": "512Mi"}
        container["env"] = [item for item in container["env"] if item["name"] != "WORKER_AUTH"]

        given = {"SQL_INSTANCE": SQL_INSTANCE, "CHANGE_STORE": "postgresql"}
        done = self.replace(gcloud, serving, **given)

        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "backtest-worker: STORE: a secret -> secret backtest-store:latest",
            "backtest-worker: WORKER_AUTH: (not set) -> iam",
            "backtest-worker: max-instances: 4 -> 10",
            "backtest-worker: memory: 512Mi -> 1Gi",
        ]

    def test_what_serves_counts_and_not_what_was_deployed_last(self, gcloud: FakeGcloud) -> None:
        """After a rollback the newest revision is the bad one."""
        newest = released("backtest-worker", "r2", RETENTION_DAYS="90")
        serving = described_revision(released("backtest-worker"))
        traffic = (OLD, {"revisionName": "backtest-worker-r2", "tag": "candidate"})
        gcloud.answer(
            {"run revisions describe backtest-worker-r1 ": (0, json.dumps(serving))}
            | there(*traffic, manifest=newest)
        )

        done = release(gcloud, "replace", "backtest-worker", RELEASE="r3")

        assert done.returncode == 0, done.stderr

    def test_a_setting_that_was_changed_during_the_release_stops_the_shift(
        self, gcloud: FakeGcloud
    ) -> None:
        serving = set_by_hand(released("backtest-worker"), ROLLOUT_PERCENT="0")
        new = described_revision(released("backtest-worker", "r2"))
        gcloud.answer(
            {"run revisions describe backtest-worker-r2 ": (0, json.dumps(new))}
            | there(OLD, NEW, manifest=serving)
        )

        told = self.stops(release(gcloud, "shift", "backtest-worker"), gcloud)

        assert "ROLLOUT_PERCENT of backtest-worker was changed with deploy/set.sh to 0" in told
        assert shifts(gcloud) == []

    def test_what_an_operator_put_on_the_service_stays(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        own = {"run.googleapis.com/invoker-iam-disabled": "true"}
        tags = (
            {"revisionName": "backtest-worker-r1", "tag": "released", "url": "https://x"},
            {"revisionName": "backtest-worker-r0", "tag": "previous", "url": "https://y"},
        )
        gcloud.answer(there(OLD, *tags, **own))

        assert release(gcloud, "replace", "backtest-worker").returncode == 0

        [manifest] = kept_manifests(tmp_path)
        assert manifest["metadata"]["annotations"] == {"run.googleapis.com/ingress": "all", **own}
        assert [target.get("tag") for target in manifest["spec"]["traffic"]] == [
            *(None, "released", "previous", "candidate"),
        ]

    def test_a_pool_is_guarded_too(self, gcloud: FakeGcloud, tmp_path: Path) -> None:
        serving_pool(gcloud, set_by_hand(released("backtest-poller"), memory="2Gi"))
        assert "deploy/poller-pool.yaml" in self.stops(release_pool(gcloud), gcloud)

        serving_pool(gcloud, released("backtest-poller", RETENTION_DAYS="90"))
        assert "RETENTION_DAYS" in self.stops(release_pool(gcloud), gcloud)

        serving_pool(gcloud, released("backtest-poller"))
        another = release_pool(gcloud, SQL_INSTANCE="my-project:europe-west1:another")
        assert "CHANGE_STORE=postgresql" in self.stops(another, gcloud)
        assert release_pool(gcloud).returncode == 0
        assert len(kept_manifests(tmp_path)) == 1
