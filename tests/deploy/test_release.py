"""deploy/release.sh: one service from an image to traffic, with a gcloud that only writes down."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import engine
from tests.support.cloud_sdk import command_problems
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "deploy" / "release.sh")
DIGEST = "europe-docker.pkg.dev/p/backtest/backtest-worker@sha256:" + "a" * 64
ENVIRONMENT = {
    "PROJECT": "my-project",
    "REGION": "europe-west1",
    "RELEASE": "r2",
    "IMAGE": DIGEST,
}
#: Keeps what it is asked to deploy, because the script removes its own copy.
KEEPING = """#!/bin/sh
for argument; do
  case $argument in *service.yaml) cp "$argument" "{kept}.$(date +%s%N)" ;; esac
done
exec {gcloud} "$@"
"""


def status(*traffic: dict[str, Any]) -> str:
    return json.dumps(
        {"status": {"url": "https://backtest-abc-ew.a.run.app", "traffic": list(traffic)}}
    )


OLD = {"revisionName": "backtest-worker-r1", "percent": 100}
NEW = {"revisionName": "backtest-worker-r2", "tag": "candidate", "url": "https://candidate---x"}


@pytest.fixture
def gcloud(tmp_path: Path) -> FakeGcloud:
    return FakeGcloud(tmp_path / "fake")


def release(
    gcloud: FakeGcloud, *arguments: str, **changed: str
) -> subprocess.CompletedProcess[str]:
    return gcloud.run([SCRIPT, *arguments], env={**ENVIRONMENT, **changed})


def there(*traffic: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {
        "run services list": (0, "found\n"),
        "run services describe backtest-worker --format=value": (0, "https://service\n"),
        "run services describe": (0, status(*traffic)),
        "projects describe": (0, "123\n"),
        "auth print-identity-token": (0, "a-token\n"),
    }


def deployed(tmp_path: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(file.read_text()) for file in sorted(tmp_path.glob("kept.*"))]


def keep(gcloud: FakeGcloud, tmp_path: Path) -> None:
    real = tmp_path / "fake" / "bin" / "gcloud"
    renamed = real.rename(real.with_name("real-gcloud"))
    gcloud.install("gcloud", KEEPING.format(kept=tmp_path / "kept", gcloud=renamed))


def test_replace_pins_the_serving_revision(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer(there(OLD))
    keep(gcloud, tmp_path)

    done = release(gcloud, "replace", "backtest-worker")

    assert done.returncode == 0, done.stderr
    [manifest] = deployed(tmp_path)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST
    assert manifest["spec"]["traffic"] == [
        {"revisionName": "backtest-worker-r1", "percent": 100},
        {"revisionName": "backtest-worker-r2", "percent": 0, "tag": "candidate"},
    ]


def test_the_first_replace_of_the_worker_takes_traffic(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer({"projects describe": (0, "123\n")})
    keep(gcloud, tmp_path)

    assert release(gcloud, "replace", "backtest-worker").returncode == 0
    [manifest] = deployed(tmp_path)
    assert manifest["spec"]["traffic"][0]["percent"] == 100


def test_the_first_replace_of_the_control_service_learns_its_own_address(
    gcloud: FakeGcloud, tmp_path: Path
) -> None:
    gcloud.answer({"projects describe": (0, "123\n")})
    keep(gcloud, tmp_path)

    assert release(gcloud, "replace", "backtest-control").returncode == 0
    names = [manifest["spec"]["template"]["metadata"]["name"] for manifest in deployed(tmp_path)]
    assert names == ["backtest-control-r2-first", "backtest-control-r2"]


def test_an_image_without_a_digest_is_refused(gcloud: FakeGcloud) -> None:
    done = release(gcloud, "replace", "backtest-worker", IMAGE="registry/backtest-worker:latest")

    assert done.returncode == 64
    assert "digest" in done.stderr
    assert gcloud.calls == []


def test_a_failed_look_at_the_service_deploys_nothing(gcloud: FakeGcloud) -> None:
    gcloud.answer(
        {"projects describe": (0, "1"), "run services list": (1, "PERMISSION_DENIED: no")}
    )

    done = release(gcloud, "replace", "backtest-worker")

    assert done.returncode != 0
    assert not any("replace" in call for call in gcloud.calls)


def test_shift_gives_all_traffic_and_keeps_the_way_back(gcloud: FakeGcloud) -> None:
    gcloud.answer(there(OLD, NEW))

    done = release(gcloud, "shift", "backtest-worker")

    assert done.returncode == 0, done.stderr
    changes = [call for call in gcloud.calls if "update-traffic" in call]
    assert [call[4] for call in changes] == [
        "--to-revisions=backtest-worker-r2=100",
        "--update-tags=previous=backtest-worker-r1",
    ]


def test_shift_of_a_first_deploy_has_no_way_back(gcloud: FakeGcloud) -> None:
    gcloud.answer(there({**NEW, "percent": 100}))

    assert release(gcloud, "shift", "backtest-worker").returncode == 0
    assert not any("--update-tags" in word for call in gcloud.calls for word in call)


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
    gcloud.answer(there(new))
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


def test_the_smoke_backtest_is_one_that_the_engine_runs() -> None:
    smoke = json.loads((ROOT / "deploy" / "smoke.json").read_text())

    result = engine.run_backtest(engine.parse_config(smoke["configUsed"])).to_document()

    assert result["bars"] == 40
    assert result["equityCurve"]


def test_gcloud_understands_every_call(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer(there(OLD, NEW))
    gcloud.install("curl", CURL)
    release(gcloud, "smoke", "backtest-worker")
    release(gcloud, "shift", "backtest-worker")
    release(gcloud, "replace", "backtest-worker", RELEASE="r3")
    manifest = tmp_path / "service.yaml"
    manifest.write_text("{}\n")

    calls = [
        [str(manifest) if word.endswith("/service.yaml") else word for word in call]
        for call in gcloud.calls
    ]

    assert {"replace", "update-traffic", "print-identity-token"} <= {
        word for call in calls for word in call
    }
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


def pool(gcloud: FakeGcloud, **changed: str) -> subprocess.CompletedProcess[str]:
    given = {"SQL_INSTANCE": "my-project:europe-west1:backtest", **changed}
    return release(gcloud, "pool", "backtest-poller", **given)


@pytest.mark.parametrize(("now", "kept"), [("7\n", "7"), ("", "1")], ids=["seven", "none yet"])
def test_a_release_of_the_pool_keeps_the_number_of_pollers(
    now: str, kept: str, gcloud: FakeGcloud, tmp_path: Path
) -> None:
    gcloud.answer({"beta run worker-pools list": (0, now)})
    keep(gcloud, tmp_path)

    done = pool(gcloud)

    assert done.returncode == 0, done.stderr
    [manifest] = deployed(tmp_path)
    count = manifest["metadata"]["annotations"]["run.googleapis.com/manualInstanceCount"]
    assert count == kept
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == DIGEST


def test_gcloud_understands_a_release_of_the_pool(gcloud: FakeGcloud, tmp_path: Path) -> None:
    assert pool(gcloud).returncode == 0
    manifest = tmp_path / "service.yaml"
    manifest.write_text("{}\n")

    calls = [
        [str(manifest) if word.endswith("/service.yaml") else word for word in call]
        for call in gcloud.calls
    ]

    assert [call[3] for call in calls] == ["list", "replace"]
    assert command_problems(tmp_path, calls) == []


def test_a_pool_without_its_database_or_a_digest_is_not_released(gcloud: FakeGcloud) -> None:
    assert "PROJECT:REGION:INSTANCE" in pool(gcloud, SQL_INSTANCE="").stderr
    assert pool(gcloud, IMAGE="registry/backtest-worker:latest").returncode == 64
    assert not any("replace" in call for call in gcloud.calls)


def test_a_second_worker_is_a_service_of_its_own(gcloud: FakeGcloud, tmp_path: Path) -> None:
    gcloud.answer({"projects describe": (0, "123\n")})
    keep(gcloud, tmp_path)

    assert release(gcloud, "replace", "backtest-worker-v1").returncode == 0

    [manifest] = deployed(tmp_path)
    assert manifest["metadata"]["name"] == "backtest-worker-v1"
    assert manifest["spec"]["template"]["metadata"]["name"] == "backtest-worker-v1-r2"
    service = manifest["spec"]["template"]["spec"]["serviceAccountName"]
    assert service == "backtest-worker@my-project.iam.gserviceaccount.com"
