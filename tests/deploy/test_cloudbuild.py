"""cloudbuild.yaml: what the SDK's loader says, and the order of things."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cloud_sdk import ask_sdk

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "cloudbuild.yaml"
#: What Cloud Build itself fills in for a build of a trigger, as far as it is used here.
BUILT_IN = {"PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "COMMIT_SHA"}


@pytest.fixture(scope="module")
def build() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def script(step: dict[str, Any]) -> str:
    return " ".join(str(part) for part in step["args"])


def test_the_sdk_loads_it(tmp_path: Path) -> None:
    assert ask_sdk(tmp_path, {"builds": [str(FILE)]})["builds"] == [""]


def test_the_sdk_check_sees_a_wrong_field(tmp_path: Path) -> None:
    wrong = tmp_path / "cloudbuild.yaml"
    wrong.write_text(FILE.read_text().replace("entrypoint:", "entry:", 1))

    assert "entry" in ask_sdk(tmp_path, {"builds": [str(wrong)]})["builds"][0]


def test_every_substitution_is_defined_and_used(build: dict[str, Any]) -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", FILE.read_text()).replace("$$", "")
    used = set(re.findall(r"\$\{?([A-Z_][A-Z0-9_]*)", text))
    own = set(build["substitutions"])

    assert used <= own | BUILT_IN
    assert own <= used


def test_the_shells_own_variables_are_escaped(build: dict[str, Any]) -> None:
    for step in build["steps"]:
        for found in re.findall(r"(?<!\$)\$\{?([A-Za-z_]\w*)", script(step)):
            assert found in build["substitutions"] or found in BUILT_IN, (step["id"], found)
        assert not re.search(r"(?<!\$)\$\(", script(step)), step["id"]


def test_traffic_moves_last_and_only_after_tests_and_smoke(build: dict[str, Any]) -> None:
    assert [step["id"] for step in build["steps"]] == [
        "test",
        "build",
        "push",
        "digest",
        "sbom",
        "deploy",
        "smoke",
        "shift",
    ]
    # Without waitFor every step waits for all before it.
    assert not any("waitFor" in step for step in build["steps"])


def test_what_is_deployed_is_named_by_digest(build: dict[str, Any]) -> None:
    steps = {step["id"]: step for step in build["steps"]}

    assert "RepoDigests" in script(steps["digest"])
    assert "IMAGE=$$(cat /workspace/image.txt)" in script(steps["deploy"])
    for name in ("deploy", "smoke", "shift"):
        assert ":$BUILD_ID" not in script(steps[name])


def test_both_services_go_every_step_of_the_way(build: dict[str, Any]) -> None:
    steps = {step["id"]: script(step) for step in build["steps"]}
    actions = {"deploy": "replace", "smoke": "smoke", "shift": "shift"}

    for name, action in actions.items():
        for service in ("backtest-worker", "backtest-control"):
            assert f"deploy/release.sh {action} {service}" in steps[name]


def test_the_sbom_is_kept(build: dict[str, Any]) -> None:
    objects = build["artifacts"]["objects"]

    assert "dist/sbom.json" in objects["paths"]
    assert objects["location"] == "gs://$PROJECT_ID-backtest-releases/$BUILD_ID/"


def test_it_ends_within_the_limit(build: dict[str, Any]) -> None:
    assert int(build["timeout"].removesuffix("s")) <= 3600


def test_names_of_files_exist(build: dict[str, Any]) -> None:
    text = " ".join(script(step) for step in build["steps"])
    for name in set(re.findall(r"(?:deploy|\.ci)/[\w./-]+", text)):
        assert (ROOT / name).is_file(), name


def test_the_tools_are_of_a_version(build: dict[str, Any]) -> None:
    """Tags such as `emulators` or `latest` move, and with them gcloud's options."""
    tools = {
        name: image for name, image in build["substitutions"].items() if image.startswith("gcr.io/")
    }

    assert set(tools) == {"_SDK", "_DOCKER"}
    assert {step["name"] for step in build["steps"]} == {f"${{{name}}}" for name in tools}
    for image in tools.values():
        assert re.fullmatch(r"[a-z./-]+:\d+\.\d+\.\d+(-[a-z]+)?(@sha256:[0-9a-f]{64})?", image)


def test_the_test_step_does_not_fill_the_machine_with_processes(build: dict[str, Any]) -> None:
    test = next(step for step in build["steps"] if step["id"] == "test")
    workers = re.search(r'TESTS="-n (\S+)" IMAGE_TEST=no \.ci/run', script(test))

    assert build["options"]["machineType"] == "E2_HIGHCPU_8"
    assert workers is not None
    assert workers[1] == "2"


def test_what_a_release_reads_is_given(build: dict[str, Any]) -> None:
    """Every variable that deploy/release.sh takes from its environment."""
    text = (ROOT / "deploy" / "release.sh").read_text()
    taken = set(re.findall(r"\$\{([A-Z][A-Z_]+):[-+?]", text))
    given = {item.partition("=")[0]: item.partition("=")[2] for item in build["options"]["env"]}
    of_the_build = {"IMAGE", "RELEASE"}

    assert {"PROJECT_NUMBER", "SQL_INSTANCE", "CHANGE_STORE"} <= taken
    assert taken - of_the_build == given.keys() - {"CI"}
    assert given["PROJECT_NUMBER"] == "$PROJECT_NUMBER"
    assert build["substitutions"]["_SQL_INSTANCE"] == ""
    assert build["substitutions"]["_CHANGE_STORE"] == ""
