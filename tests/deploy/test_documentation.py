"""The commands of docs/deploy.md: gcloud's parser and make know every one of them."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.support.cloud_sdk import command_problems

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)
    for line in re.findall(r"^    (\S.*)$", PAGE, flags=re.MULTILINE)
]


def test_gcloud_understands_every_command(tmp_path: Path) -> None:
    calls = [
        [word.replace("PROJECT", "my-project").replace("REGION", "europe-west1") for word in words]
        for program, *words in COMMANDS
        if program == "gcloud"
    ]

    assert len(calls) == 3
    assert command_problems(tmp_path, calls) == []


def test_every_script_is_there() -> None:
    scripts = {command[0] for command in COMMANDS} - {"gcloud", "make"}

    assert scripts == {"deploy/bootstrap.sh", "deploy/rollback.sh"}
    assert all((ROOT / script).is_file() for script in scripts)


def test_make_knows_every_target() -> None:
    targets = [command[1] for command in COMMANDS if command[0] == "make"]
    done = subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert targets == ["image", "image-test", "sbom", "lint-deploy"]
    assert done.returncode == 0, done.stderr


def test_every_option_of_the_set_up_is_one_that_it_takes() -> None:
    script = (ROOT / "deploy" / "bootstrap.sh").read_text()
    named = {
        word.partition("=")[0]
        for word in re.findall(r"--[a-z-]+(?==|\b)", PAGE.split("## On every push")[0])
    }

    assert named == set(re.findall(r"^    (--[a-z-]+)=?\*?\)", script, flags=re.MULTILINE))


def test_what_the_page_says_of_accounts_is_made() -> None:
    script = (ROOT / "deploy" / "bootstrap.sh").read_text()
    documented = set(re.findall(r"^\| `(backtest-[a-z]+)` \|", PAGE.split("### Who may")[1], re.M))

    assert documented == set(re.findall(r"^make_account (\S+)", script, flags=re.MULTILINE))
