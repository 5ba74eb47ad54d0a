""".ci/run: that a fresh machine gets everything which a test would otherwise ask for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci" / "run"
TEXT = SCRIPT.read_text()
INSTALLED = set(re.findall(r"wanted\+=\(([a-z0-9-]+)\)", TEXT))


def asked_for() -> set[str]:
    """The packages that tests name when they cannot run."""
    tests = [file.read_text() for file in (ROOT / "tests").rglob("*.py")]
    named = {name for text in tests for name in re.findall(r"\(Debian: ([a-z0-9-]+)\)", text)}
    named |= {
        name for text in tests for name in re.findall(r"install (google-cloud-cli[a-z-]*)", text)
    }
    return named


def test_what_tests_ask_for_is_installed() -> None:
    assert len(asked_for()) >= 4
    assert asked_for() <= INSTALLED


def test_what_could_not_be_installed_is_named_and_ends_the_run() -> None:
    checked = re.findall(r"^has(?:_\w+| [\w-]+) \|\| (wanted|missing)\+=", TEXT, flags=re.MULTILINE)

    assert checked.count("wanted") == checked.count("missing") == len(INSTALLED)
    assert "export REQUIRE_EMULATORS=1" in TEXT


def test_it_is_a_shell_script_that_stops_at_the_first_failure() -> None:
    shellcheck = shutil.which("shellcheck", path=str(ROOT / "var" / "tools" / "bin"))
    assert "set -euo pipefail" in TEXT
    if shellcheck is None:
        pytest.skip("shellcheck is not here: make tools")
    done = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_does_all_that_make_offers_for_checking() -> None:
    targets = re.findall(r"^ *make (.+)$", TEXT, flags=re.MULTILINE)
    named = [target for line in targets for target in line.split()]
    done = subprocess.run(
        ["make", "--dry-run", *named], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert set(named) >= {"lint", "lint-deploy", "test", "test-pythons", "image-test"}
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("image_test", "installs", "said", "tried"),
    [
        ("no", True, "IMAGE_TEST=no", False),
        ("yes", False, "its tools cannot be installed", False),
        ("yes", True, "", True),
    ],
    ids=["left out", "no tools", "tools"],
)
def test_the_image_is_tried_wherever_its_tools_can_be_had(
    image_test: str, installs: bool, said: str, tried: bool, tmp_path: Path
) -> None:
    """The end of the script, with a make that only writes down."""
    end = TEXT[TEXT.index("# The image, built and run.") :]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "make").write_text('#!/bin/sh\necho "$@" >>"$MADE"\n')
    (programs / "make").chmod(0o755)
    tools = tmp_path / "deploy" / "image" / "install_tools.sh"
    tools.parent.mkdir(parents=True)
    tools.write_text(f"#!/bin/sh\nexit {0 if installs else 69}\n")
    tools.chmod(0o755)
    made = tmp_path / "made"
    made.touch()

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", end],
        cwd=tmp_path,
        env={"PATH": f"{programs}:/usr/bin:/bin", "IMAGE_TEST": image_test, "MADE": str(made)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr
    assert (made.read_text() == "image-test\n") == tried


def test_an_image_that_fails_fails_the_run(tmp_path: Path) -> None:
    end = TEXT[TEXT.index("# The image, built and run.") :]
    (tmp_path / "deploy" / "image").mkdir(parents=True)
    tools = tmp_path / "deploy" / "image" / "install_tools.sh"
    tools.write_text("#!/bin/sh\n")
    tools.chmod(0o755)
    (tmp_path / "make").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "make").chmod(0o755)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", end],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=False,
    )

    assert done.returncode == 2


def test_the_pipeline_leaves_the_image_to_its_own_step() -> None:
    """Cloud Build's containers cannot make containers; what is built is tried after the build."""
    steps = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())["steps"]
    test = next(step for step in steps if step["id"] == "test")

    assert "IMAGE_TEST=no .ci/run" in test["args"][-1]
