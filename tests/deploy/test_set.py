"""deploy/set.sh: settings of what serves, with a gcloud that only writes down."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.change import known_settings, parse_changes
from deploy.revision import BY_HAND, PLATFORM, require_platform_value
from tests.support.cloud_run import (
    DIGEST,
    described_pool,
    described_revision,
    described_service,
    keep_manifests,
    kept_manifests,
    released,
    variables,
)
from tests.support.cloud_sdk import ask_sdk
from tests.support.fake_gcloud import FakeGcloud
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "set.sh")
ENVIRONMENT = {"PROJECT": "my-project", "REGION": "europe-west1", "READY_SECONDS": "5"}
BAD_DIGEST = DIGEST.replace("a" * 64, "b" * 64)


@pytest.fixture
def gcloud(tmp_path: Path) -> FakeGcloud:
    fake = FakeGcloud(tmp_path / "fake")
    keep_manifests(fake, tmp_path)
    return fake


def run_set(gcloud: FakeGcloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    return gcloud.run([SCRIPT, *arguments], env=ENVIRONMENT)


def serves(
    gcloud: FakeGcloud,
    service: str,
    *,
    manifest: dict[str, Any] | None = None,
    newest: dict[str, Any] | None = None,
    traffic: tuple[dict[str, Any], ...] = (),
    ready: str = "True",
    moves: tuple[int, str] = (0, ""),
    **annotations: str,
) -> None:
    """``manifest``'s revision serves; ``newest`` was deployed last."""
    manifest = manifest or released(service)
    name = manifest["spec"]["template"]["metadata"]["name"]
    tags = ({"revisionName": name, "tag": "released", "url": "https://released---x"},)
    traffic = traffic or ({"revisionName": name, "percent": 100}, *tags)
    current = described_service(newest or manifest, *traffic, **annotations)
    new = described_revision(manifest, ready=ready, message="the probe failed")
    gcloud.answer(
        {
            f"run services describe {service} ": (0, json.dumps(current)),
            f"run revisions describe {name} ": (0, json.dumps(described_revision(manifest))),
            f"run revisions describe {service}-s": (0, json.dumps(new)),
            "run services update-traffic": moves,
        }
    )


def traffic_changes(gcloud: FakeGcloud) -> list[list[str]]:
    return [call[4:6] for call in gcloud.calls if "update-traffic" in call]


class TestAService:
    def test_a_setting_changes_in_what_serves_and_traffic_follows(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        service = "backtest-control"
        old = released(service)
        serves(gcloud, service)

        done = run_set(gcloud, service, "MAX_QUEUED_PER_USER=200")

        assert done.returncode == 0, done.stderr
        [manifest] = kept_manifests(tmp_path)
        assert variables(manifest) == {**variables(old), "MAX_QUEUED_PER_USER": "200"}
        template, old_template = manifest["spec"]["template"], old["spec"]["template"]
        new = template["metadata"]["name"]
        assert new.startswith("backtest-control-s")
        expected = {**old_template["metadata"]["annotations"], BY_HAND: "MAX_QUEUED_PER_USER"}
        assert template["metadata"]["annotations"] == expected
        for container in (template, old_template):
            container["spec"]["containers"][0].pop("env")
        assert template["spec"] == old_template["spec"]
        assert manifest["spec"]["traffic"] == [
            {"revisionName": "backtest-control-r1", "percent": 100},
            {"revisionName": "backtest-control-r1", "percent": 0, "tag": "released"},
            {"revisionName": new, "percent": 0, "tag": "candidate"},
        ]
        tags = f"--update-tags=previous=backtest-control-r1,released={new}"
        assert traffic_changes(gcloud) == [[f"--to-revisions={new}=100", tags]]
        assert "MAX_QUEUED_PER_USER: (not set) -> 200" in done.stderr

    def test_after_a_rollback_it_starts_from_what_serves(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        service = "backtest-control"
        bad = released(service, "r2", ROLLOUT_USERS="a-user")
        bad["spec"]["template"]["spec"]["containers"][0]["image"] = BAD_DIGEST
        traffic = (
            {"revisionName": "backtest-control-r1", "percent": 100},
            {"revisionName": "backtest-control-r1", "tag": "previous"},
            {"revisionName": "backtest-control-r2", "tag": "candidate", "latestRevision": True},
        )
        serves(gcloud, service, newest=bad, traffic=traffic)

        assert run_set(gcloud, service, "ROLLOUT_PERCENT=0").returncode == 0

        [manifest] = kept_manifests(tmp_path)
        assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST
        assert "ROLLOUT_USERS" not in variables(manifest)
        assert variables(manifest)["ROLLOUT_PERCENT"] == "0"

    def test_a_revision_that_does_not_become_ready_gets_no_traffic(
        self, gcloud: FakeGcloud
    ) -> None:
        serves(gcloud, "backtest-control", ready="False")

        done = run_set(gcloud, "backtest-control", "AUTH=none")

        assert done.returncode == 1
        assert "did not become ready: False the probe failed" in done.stderr
        assert "backtest-control-r1 goes on serving" in done.stderr
        assert traffic_changes(gcloud) == []

    def test_a_revision_of_which_nothing_is_known_gets_no_traffic_either(
        self, gcloud: FakeGcloud
    ) -> None:
        serves(gcloud, "backtest-control", ready="Unknown")
        gcloud.install("sleep", "#!/bin/sh\n")

        assert run_set(gcloud, "backtest-control", "AUTH=none").returncode == 1
        assert traffic_changes(gcloud) == []

    def test_what_cannot_be_deployed_gets_no_traffic(self, gcloud: FakeGcloud) -> None:
        manifest = released("backtest-worker")
        traffic = {"revisionName": "backtest-worker-r1", "percent": 100}
        gcloud.answer(
            {
                "run services replace": (1, "PERMISSION_DENIED: no"),
                "run services describe": (0, json.dumps(described_service(manifest, traffic))),
                "run revisions describe backtest-worker-r1 ": (
                    *(0, json.dumps(described_revision(manifest))),
                ),
                "run revisions describe": (1, "Cannot find revision"),
            }
        )

        done = run_set(gcloud, "backtest-worker", "memory=2Gi")

        assert done.returncode == 1
        assert "PERMISSION_DENIED" in done.stderr
        assert "backtest-worker-r1 goes on serving" in done.stderr
        assert traffic_changes(gcloud) == []

    def test_traffic_that_does_not_move_is_said(self, gcloud: FakeGcloud) -> None:
        serves(gcloud, "backtest-control", moves=(1, "no"))

        done = run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0")

        assert done.returncode == 1
        assert "the traffic of backtest-control could not be moved" in done.stderr

    def test_settings_can_be_removed_and_several_be_changed_at_once(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        manifest = released("backtest-control", ROLLOUT_PERCENT="10", ROLLOUT_USERS="a,b")
        serves(gcloud, "backtest-control", manifest=manifest)

        changes = ("ROLLOUT_USERS-", "ROLLOUT_PERCENT=1", "memory=2Gi", "concurrency=20")
        done = run_set(gcloud, "backtest-control", *changes, "MAX_WORKERS=20")

        assert done.returncode == 0, done.stderr
        [new] = kept_manifests(tmp_path)
        template = new["spec"]["template"]
        assert "ROLLOUT_USERS" not in variables(new)
        assert variables(new)["ROLLOUT_PERCENT"] == "1"
        assert variables(new)["MAX_WORKERS"] == "20"
        assert template["spec"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"
        assert template["spec"]["containerConcurrency"] == 20
        assert template["metadata"]["annotations"][BY_HAND] == (
            "MAX_WORKERS,ROLLOUT_PERCENT,ROLLOUT_USERS,concurrency,memory"
        )

    @pytest.mark.parametrize("change", ["MAX_WORKERS=20", "max-instances=20"])
    def test_a_workers_instances_are_its_max_workers(
        self, change: str, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        serves(gcloud, "backtest-worker-v1")

        assert run_set(gcloud, "backtest-worker-v1", change, "min-instances=1").returncode == 0

        [manifest] = kept_manifests(tmp_path)
        annotations = manifest["spec"]["template"]["metadata"]["annotations"]
        assert annotations["autoscaling.knative.dev/maxScale"] == "20"
        assert annotations["autoscaling.knative.dev/minScale"] == "1"
        assert "MAX_WORKERS" not in variables(manifest)
        assert annotations[BY_HAND] == "max-instances,min-instances"

    def test_what_is_so_already_makes_no_revision(self, gcloud: FakeGcloud, tmp_path: Path) -> None:
        serves(gcloud, "backtest-worker")

        done = run_set(gcloud, "backtest-worker", "memory=1024Mi", "LANE-")

        assert done.returncode == 0
        assert "has these settings already" in done.stdout
        assert kept_manifests(tmp_path) == []

    def test_what_an_operator_put_on_the_service_stays(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        own = {"run.googleapis.com/invoker-iam-disabled": "true"}
        serves(gcloud, "backtest-control", **own)

        assert run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0").returncode == 0

        [manifest] = kept_manifests(tmp_path)
        assert manifest["metadata"]["annotations"] == {"run.googleapis.com/ingress": "all", **own}
        assert manifest["metadata"]["labels"] == {}
        assert manifest["spec"]["template"]["metadata"]["labels"] == {}

    def test_of_divided_traffic_the_largest_share_counts(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        traffic = (
            {"revisionName": "backtest-control-r2", "percent": 10},
            {"revisionName": "backtest-control-r1", "percent": 90},
        )
        serves(gcloud, "backtest-control", traffic=traffic)

        done = run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0")

        assert done.returncode == 0, done.stderr
        assert "divided (backtest-control-r2 10%, backtest-control-r1 90%)" in done.stderr
        [manifest] = kept_manifests(tmp_path)
        assert manifest["spec"]["traffic"][:2] == list(traffic)
        assert "--update-tags=previous=backtest-control-r1" in traffic_changes(gcloud)[0]

    def test_two_equal_shares_and_none_at_all_are_refused(self, gcloud: FakeGcloud) -> None:
        half = (
            {"revisionName": "backtest-control-r1", "percent": 50},
            {"revisionName": "backtest-control-r2", "percent": 50},
        )
        serves(gcloud, "backtest-control", traffic=half)
        even = run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0")
        serves(gcloud, "backtest-control", traffic=({"revisionName": "backtest-control-r1"},))
        none = run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0")

        assert even.returncode == none.returncode == 1
        assert "have the same share" in even.stderr
        assert "no revision of backtest-control serves" in none.stderr

    def test_a_first_release_is_not_made_a_finished_one(self, gcloud: FakeGcloud) -> None:
        traffic = ({"revisionName": "backtest-control-r1", "percent": 100, "tag": "candidate"},)
        serves(gcloud, "backtest-control", traffic=traffic)

        assert run_set(gcloud, "backtest-control", "ROLLOUT_PERCENT=0").returncode == 0
        assert "released" not in str(traffic_changes(gcloud))


def describe_pool(gcloud: FakeGcloud, manifest: dict[str, Any], ready: str = "True") -> None:
    name = manifest["spec"]["template"]["metadata"]["name"]
    split = {"revisionName": name, "percent": 100, "latestRevision": True}
    new = described_revision(manifest, ready=ready)
    start = "beta run worker-pools"
    gcloud.answer(
        {
            f"{start} describe": (0, json.dumps(described_pool(manifest, split))),
            f"{start} revisions describe {name} ": (
                *(0, json.dumps(described_revision(manifest))),
            ),
            f"{start} revisions describe": (0, json.dumps(new)),
        }
    )


class TestThePool:
    def test_its_settings_change_and_its_number_stays(
        self, gcloud: FakeGcloud, tmp_path: Path
    ) -> None:
        describe_pool(gcloud, released("backtest-poller"))

        done = run_set(gcloud, "backtest-poller", "MAX_WORKERS=4", "memory=2Gi")

        assert done.returncode == 0, done.stderr
        [manifest] = kept_manifests(tmp_path)
        metadata = manifest["metadata"]
        assert metadata["annotations"]["run.googleapis.com/manualInstanceCount"] == "3"
        assert metadata["labels"] == {"cloud.googleapis.com/location": "europe-west1"}
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        assert container["image"] == DIGEST
        assert container["resources"]["limits"]["memory"] == "2Gi"
        assert variables(manifest)["MAX_WORKERS"] == "4"
        store = next(item for item in container["env"] if item["name"] == "STORE")
        assert store["valueFrom"]["secretKeyRef"]["name"] == "backtest-store"

    def test_one_that_does_not_become_ready_is_said(self, gcloud: FakeGcloud) -> None:
        describe_pool(gcloud, released("backtest-poller"), ready="False")

        done = run_set(gcloud, "backtest-poller", "LANE=other")

        assert done.returncode == 1
        assert "backtest-poller-r1 goes on serving" in done.stderr

    def test_a_form_of_description_that_is_not_known_is_said(self, gcloud: FakeGcloud) -> None:
        describe_pool(gcloud, released("backtest-poller"))
        other = described_pool(
            released("backtest-poller"), {"revisionName": "backtest-poller-r1", "percent": 100}
        )
        gcloud.answer(
            {
                "beta run worker-pools describe": (0, json.dumps(other)),
                "beta run worker-pools revisions": (0, '{"name": "x", "containers": []}'),
            }
        )

        done = run_set(gcloud, "backtest-poller", "LANE=other")

        assert done.returncode == 64
        assert "in a form that this script does not know" in done.stderr


def test_gcloud_understands_every_call_and_every_manifest(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    serves(gcloud, "backtest-worker")
    run_set(gcloud, "backtest-worker", "memory=2Gi", "LEASE_SECONDS=120")
    describe_pool(gcloud, released("backtest-poller"))
    run_set(gcloud, "backtest-poller", "LANE=other")
    service, pool = sorted(tmp_path.glob("kept.*"))
    files = {"services": str(service), "pools": str(pool)}
    calls = [
        [str(service) if word.endswith("/service.yaml") else word for word in call]
        for call in gcloud.calls
    ]

    said = ask_sdk(tmp_path, {"commands": calls, **{kind: [file] for kind, file in files.items()}})

    assert {"replace", "update-traffic", "revisions"} <= {word for call in calls for word in call}
    assert len(calls) == 9
    assert said["commands"] == [""] * 9
    assert said["services"] == said["pools"] == [""]


class TestRefusals:
    @pytest.mark.parametrize(
        ("service", "change", "said"),
        [
            ("backtest-control", "MAX_QUEUE_PER_USER=1", "MAX_QUEUED_PER_USER"),
            ("backtest-control", "rollout_percent=1", "ROLLOUT_PERCENT"),
            ("backtest-control", "memry=1Gi", "close to it: memory"),
            ("backtest-control", "FROBNICATE=1", "docs/settings.md"),
            ("backtest-control", "STORE=postgresql://u:p@h/d", "may hold a password"),
            ("backtest-control", "STORE-", "may hold a password"),
            ("backtest-control", "K_SERVICE=x", "set by Cloud Run"),
            ("backtest-control", "ROLLOUT_PERCENT", "KEY=VALUE or KEY-"),
            ("backtest-control", "memory-", "cannot be removed"),
            ("backtest-control", "memory=2GB", "512Mi to 32Gi"),
            ("backtest-control", "memory=64Gi", "512Mi to 32Gi"),
            ("backtest-control", "cpu=3", "1, 2, 4, 6, 8"),
            ("backtest-control", "max-instances=0", "of 1 or more"),
            ("backtest-control", "min-instances=many", "of 0 or more"),
            ("backtest-control", "concurrency=1001", "from 1 to 1000"),
            ("backtest-worker", "concurrency=2", "one request at a time"),
            ("backtest-worker", "REQUIRE_EMULATORS=1", "not a setting"),
            ("backtest-poller", "max-instances=2", "deploy/scale.sh"),
        ],
    )
    def test_what_is_not_possible_is_said(self, service: str, change: str, said: str) -> None:
        with pytest.raises(ValueError, match=re.escape(said)):
            parse_changes(service, [change])

    @pytest.mark.parametrize(
        ("service", "change", "said", "asked"),
        [
            ("backtest-control", "MAX_QUEUE_PER_USER=1", "close to it: MAX_QUEUED_PER_USER", 0),
            ("backtest-control", "STORE=postgresql://u:p@h/d", "may hold a password", 0),
            ("backtest-another", "LANE=x", "unknown service", 0),
            ("backtest-worker-" + "x" * 40, "LANE=x", "longer than the 63 characters", 2),
        ],
    )
    def test_a_refusal_is_one_line_and_deploys_nothing(
        self, service: str, change: str, said: str, asked: int, gcloud: FakeGcloud
    ) -> None:
        serves(gcloud, service)

        done = run_set(gcloud, service, change)

        assert done.returncode == 64
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert len(gcloud.calls) == asked

    def test_the_same_setting_twice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="max-instances is given twice"):
            parse_changes("backtest-worker", ["MAX_WORKERS=2", "max-instances=3"])

    def test_no_change_and_no_service_are_refused(self, gcloud: FakeGcloud) -> None:
        for arguments in ((), ("backtest-worker",)):
            done = run_set(gcloud, *arguments)
            assert done.returncode == 64
            assert "usage" in done.stderr

    def test_its_help_names_what_it_takes(self, gcloud: FakeGcloud) -> None:
        said = run_set(gcloud, "--help").stdout

        assert said.startswith("Change settings of what serves now")
        assert all(name in said for name in PLATFORM)
        assert "READY_SECONDS" in said
        assert "set -euo" not in said

    def test_every_setting_of_the_page_is_one(self) -> None:
        assert {name.upper() for name in Settings.model_fields} <= set(known_settings())
        assert "ENGINE_KERNELS" in known_settings()

    @pytest.mark.parametrize(("name", "value"), [("memory", "512Mi"), ("cpu", "8")])
    def test_the_limits_themselves_are_possible(self, name: str, value: str) -> None:
        require_platform_value(name, value)
