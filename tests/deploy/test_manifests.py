"""service.yaml and deploy/control-service.yaml, rendered as the pipeline would."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.render import (
    DEFAULT_MAX_WORKERS,
    audiences,
    fill,
    pinned_traffic,
    read_settings,
    render,
)
from deploy.serving import read
from tests.support.cloud_run import ROOT, VALUES, described_service, template_file, variables
from tests.support.cloud_sdk import ask_sdk
from worker.settings import Settings, load_settings, require_control_auth, require_worker_auth

SERVICES = ("backtest-control", "backtest-worker")
SERVING = {
    "metadata": {"name": "backtest-control"},
    "status": {
        "url": "https://backtest-control-abc-ew.a.run.app",
        "traffic": [
            {"revisionName": "backtest-control-r1", "percent": 90},
            {"revisionName": "backtest-control-r2", "percent": 10, "latestRevision": True},
            {"revisionName": "backtest-control-r0", "tag": "previous", "url": "https://x"},
            {"revisionName": "backtest-control-r1", "tag": "released", "url": "https://z"},
            {"revisionName": "backtest-control-r2", "tag": "candidate", "url": "https://y"},
        ],
    },
}
#: Cloud Run allows an hour; Pub/Sub cuts a push at its ack deadline.
LONGEST_REQUEST = 3600


def manifest(
    service: str,
    current: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    sql_instance: str | None = None,
) -> dict[str, Any]:
    return render(
        template_file(service).read_text(),
        {**VALUES, "SERVICE": service, "REVISION": f"{service}-r3"},
        settings=settings or {},
        sql_instance=sql_instance,
        current=current,
    )


def written(directory: Path, found: dict[str, Any]) -> str:
    """The manifest as a file, as gcloud gets it."""
    file = directory / "service.yaml"
    file.write_text(json.dumps(found))
    return str(file)


def container(service: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest(service)["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(service: str) -> dict[str, str]:
    return variables(manifest(service))


both = pytest.mark.parametrize("service", SERVICES)


@both
@pytest.mark.parametrize("current", [None, SERVING], ids=["first deploy", "next deploy"])
def test_the_sdk_decodes_every_field(
    service: str, current: dict[str, Any] | None, tmp_path: Path
) -> None:
    file = written(tmp_path, manifest(service, current))

    assert ask_sdk(tmp_path, {"services": [file]})["services"] == [""]


def test_the_sdk_check_sees_a_wrong_field(tmp_path: Path) -> None:
    wrong = manifest("backtest-worker")
    wrong["spec"]["template"]["spec"]["timeout"] = 600

    assert "timeout" in ask_sdk(tmp_path, {"services": [written(tmp_path, wrong)]})["services"][0]


@both
def test_annotations_are_ones_that_the_sdk_knows_and_strings(service: str, tmp_path: Path) -> None:
    known = set(ask_sdk(tmp_path, {})["annotations"])
    found = manifest(service)
    annotations = {
        **found["metadata"]["annotations"],
        **found["spec"]["template"]["metadata"]["annotations"],
    }

    assert annotations.keys() <= known
    assert all(isinstance(value, str) for value in annotations.values())


@both
def test_no_placeholder_is_left(service: str) -> None:
    assert "${" not in json.dumps(manifest(service))


@both
def test_it_scales_from_nothing_and_starts_fast(service: str) -> None:
    annotations = manifest(service)["spec"]["template"]["metadata"]["annotations"]

    assert annotations["autoscaling.knative.dev/minScale"] == "0"
    assert int(annotations["autoscaling.knative.dev/maxScale"]) >= 1
    assert annotations["run.googleapis.com/execution-environment"] == "gen2"
    assert annotations["run.googleapis.com/startup-cpu-boost"] == "true"


@both
def test_it_runs_as_its_own_account_and_within_limits(service: str) -> None:
    spec = manifest(service)["spec"]["template"]["spec"]

    assert spec["serviceAccountName"] == f"{service}@my-project.iam.gserviceaccount.com"
    assert spec["timeoutSeconds"] <= LONGEST_REQUEST
    assert container(service)["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert container(service)["startupProbe"]["httpGet"]["path"] == "/ready"
    assert container(service)["livenessProbe"]["httpGet"]["path"] == "/health"


def test_the_worker_takes_one_request_at_a_time_for_as_long_as_a_push_may_last() -> None:
    spec = manifest("backtest-worker")["spec"]["template"]["spec"]

    assert spec["containerConcurrency"] == 1
    assert spec["timeoutSeconds"] == Settings().ack_deadline_seconds
    assert manifest("backtest-control")["spec"]["template"]["spec"]["containerConcurrency"] > 1


@both
def test_candles_and_artifacts_are_the_projects_buckets(service: str) -> None:
    settings = environment(service)

    assert settings["CANDLES"] == "gs://my-project-backtest-candles"
    assert settings["ARTIFACTS"] == "gs://my-project-backtest-artifacts"
    assert "ALLOW_LOCAL" not in settings
    assert "volumes" not in manifest(service)["spec"]["template"]["spec"]


@both
def test_every_variable_is_a_setting(service: str) -> None:
    assert {name.lower() for name in environment(service)} <= Settings.model_fields.keys()


def started(found: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **secrets: str) -> Settings:
    """The settings of a process of this manifest, once they were found right."""
    service = found["metadata"]["name"]
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    from_the_image = {"HOST": "0.0.0.0", "PORT": "8080", "K_SERVICE": service}
    for name, value in {**variables(found), **secrets, **from_the_image}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    require = require_control_auth if service == "backtest-control" else require_worker_auth
    require(settings)
    return settings


@both
def test_the_process_would_start_with_these_settings(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = started(manifest(service), monkeypatch)

    assert settings.firestore_target == ("my-project", "(default)")
    assert settings.pubsub_target == ("my-project", "backtest-doorbell")


def test_machine_routes_are_open_to_one_account_each() -> None:
    settings = Settings(oidc_callers=environment("backtest-control")["OIDC_CALLERS"])

    assert settings.callers_of("events") == {"backtest-events@my-project.iam.gserviceaccount.com"}
    assert settings.callers_of("sweep") == {"backtest-scheduler@my-project.iam.gserviceaccount.com"}
    assert not settings.callers_of("run")


@both
def test_no_secret_is_written_into_a_manifest(service: str) -> None:
    for name, value in environment(service).items():
        assert not re.search(r"PASSWORD|SECRET|KEY|TOKEN", name)
        # A URL with a password: scheme://user:password@host.
        assert not re.search(r"://[^/@]+:[^/@]+@", value)


def test_a_first_deploy_takes_all_traffic() -> None:
    assert manifest("backtest-worker")["spec"]["traffic"] == [
        {"revisionName": "backtest-worker-r3", "percent": 100, "tag": "candidate"}
    ]


def test_a_next_deploy_pins_what_serves_and_takes_nothing() -> None:
    traffic = manifest("backtest-control", SERVING)["spec"]["traffic"]

    assert traffic == [
        {"revisionName": "backtest-control-r1", "percent": 90},
        {"revisionName": "backtest-control-r2", "percent": 10},
        {"revisionName": "backtest-control-r0", "percent": 0, "tag": "previous"},
        {"revisionName": "backtest-control-r1", "percent": 0, "tag": "released"},
        {"revisionName": "backtest-control-r3", "percent": 0, "tag": "candidate"},
    ]
    assert sum(target["percent"] for target in traffic) == 100


def test_traffic_without_a_name_or_an_old_name_is_refused() -> None:
    nameless = {"status": {"traffic": [{"latestRevision": True, "percent": 100}]}}
    with pytest.raises(ValueError, match="names no revision"):
        pinned_traffic(nameless, "a-r2")
    same = {"status": {"traffic": [{"revisionName": "a-r2", "percent": 100}]}}
    with pytest.raises(ValueError, match="deployed already"):
        pinned_traffic(same, "a-r2")


def test_audiences_are_the_addresses_that_are_known() -> None:
    known = "https://backtest-control-123.europe-west1.run.app"
    other = "https://backtest-control-abc-ew.a.run.app"

    assert audiences("backtest-control", VALUES, None).split(",") == [
        known,
        f"{known}/events/firestore",
    ]
    assert audiences("backtest-control", VALUES, SERVING).split(",") == [
        known,
        f"{known}/events/firestore",
        other,
        f"{other}/events/firestore",
    ]


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="REVISION"):
        fill("name: ${REVISION}", {})


def test_a_value_is_a_value_whatever_is_in_it() -> None:
    assert fill("a: x${V}\nb: 1\n", {"V": ": # 'y'\n- z"}) == {"a": "x: # 'y'\n- z", "b": 1}


def test_what_describe_prints_is_read_and_nothing_means_not_there(tmp_path: Path) -> None:
    file = tmp_path / "current.json"
    file.write_text(json.dumps(SERVING))
    assert read(file) == SERVING
    file.write_text("\n")
    assert read(file) is None


def test_what_an_operator_put_on_the_service_stays_and_what_others_wrote_is_left_out(
    tmp_path: Path,
) -> None:
    own = {
        "run.googleapis.com/invoker-iam-disabled": "true",
        "run.googleapis.com/binary-authorization": "default",
    }
    breakglass = {"run.googleapis.com/binary-authorization-breakglass": "an emergency"}
    current = described_service(manifest("backtest-worker"), **own, **breakglass)
    current["metadata"]["labels"]["team"] = "quants"

    found = manifest("backtest-worker", current)

    assert found["metadata"]["annotations"] == {"run.googleapis.com/ingress": "all", **own}
    assert found["metadata"]["labels"] == {"team": "quants"}
    said = ask_sdk(tmp_path, {"services": [written(tmp_path, found)]})
    assert said["services"] == [""]
    assert own.keys() | breakglass.keys() <= set(said["annotations"])


SQL = "my-project:europe-west1:backtest"
#: What the secret would hold.
SQL_STORE = f"postgresql+psycopg://backtests:secret@/backtests?host=/cloudsql/{SQL}"


@both
def test_jobs_may_be_in_cloud_sql_and_settings_may_be_added(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = manifest(
        service,
        settings={"ROLLOUT_PERCENT": "10", "ROLLOUT_USERS": "a$b,c"},
        sql_instance=SQL,
    )
    template = found["spec"]["template"]
    [store] = [item for item in template["spec"]["containers"][0]["env"] if item["name"] == "STORE"]

    said = ask_sdk(tmp_path, {"services": [written(tmp_path, found)]})
    assert said["services"] == [""]
    assert template["metadata"]["annotations"]["run.googleapis.com/cloudsql-instances"] == SQL
    assert store == {
        "name": "STORE",
        "valueFrom": {"secretKeyRef": {"name": "backtest-store", "key": "latest"}},
    }
    settings = started(found, monkeypatch, STORE=SQL_STORE)
    assert settings.rollout_percent == 10
    assert settings.rollout_users == ("a$b", "c")
    if service == "backtest-control":
        assert settings.token_project == "my-project"


def test_users_may_be_those_of_another_project(monkeypatch: pytest.MonkeyPatch) -> None:
    for instance in (None, SQL):
        found = manifest(
            "backtest-control", settings={"FIREBASE_PROJECT": "my-app"}, sql_instance=instance
        )
        secrets = {"STORE": SQL_STORE} if instance else {}
        assert started(found, monkeypatch, **secrets).token_project == "my-app"


class TestMaxWorkers:
    """One number: the worker's instances, and how often the sweep rings at most."""

    def scale(self, found: dict[str, Any]) -> str:
        annotations = found["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["autoscaling.knative.dev/maxScale"])

    def test_a_setting_goes_to_each_place(self) -> None:
        given = {"MAX_WORKERS": "25"}

        worker = manifest("backtest-worker", settings=given)
        assert self.scale(worker) == "25"
        assert "MAX_WORKERS" not in variables(worker)
        for service in ("backtest-control", "backtest-poller"):
            assert variables(manifest(service, settings=given))["MAX_WORKERS"] == "25"
        assert self.scale(manifest("backtest-control", settings=given)) == "4"

    def test_without_it_both_have_the_programs_default(self) -> None:
        assert Settings().max_workers == int(DEFAULT_MAX_WORKERS)
        assert self.scale(manifest("backtest-worker")) == DEFAULT_MAX_WORKERS
        assert "MAX_WORKERS" not in environment("backtest-control")

    def test_what_is_no_number_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected a whole number"):
            manifest("backtest-worker", settings={"MAX_WORKERS": "many"})


def test_the_secrets_address_is_one_that_the_program_takes() -> None:
    assert Settings(store=SQL_STORE).store == SQL_STORE


def test_a_setting_of_the_manifest_is_not_set_twice() -> None:
    with pytest.raises(ValueError, match="STORE is set by the manifest"):
        manifest("backtest-worker", settings={"STORE": "sqlite:///x"})


def test_a_file_of_settings_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("# a comment\n\nRETENTION_DAYS=90\n OIDC_CALLERS = a=b \n")
    with pytest.raises(ValueError, match=r"settings.env: expected KEY=VALUE, not 'OIDC_CALLERS ="):
        read_settings(file)
    file.write_text("# a comment\n\nRETENTION_DAYS=90\nOIDC_CALLERS=sweep=a@b\n")
    assert read_settings(file) == {"RETENTION_DAYS": "90", "OIDC_CALLERS": "sweep=a@b"}


def test_this_installations_settings_are_settings() -> None:
    file = ROOT / "deploy" / "settings.env"
    examples = re.findall(r"^# ([A-Z_]+)=(.*)$", file.read_text(), flags=re.MULTILINE)

    assert {name.lower() for name in read_settings(file)} <= Settings.model_fields.keys()
    assert Settings(**{name.lower(): value for name, value in examples})
    assert {name for name, _ in examples} <= {name.upper() for name in Settings.model_fields}
