"""docs/deploy.md: every command is run here, or parsed by the program that would run it."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.cloud_sdk import command_problems
from tests.support.command_line import call
from tests.support.fake_gcloud import FakeGcloud

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)
    # Those of a numbered step are indented twice.
    for line in re.findall(r"^(?: {4}| {8})(\S.*)$", PAGE, flags=re.MULTILINE)
]
FROM_NOTHING = PAGE.split("## From nothing")[1].split("## On every push")[0]


def test_gcloud_understands_every_command(tmp_path: Path) -> None:
    calls = [
        [word.replace("PROJECT", "my-project").replace("REGION", "europe-west1") for word in words]
        for program, *words in COMMANDS
        if program == "gcloud"
    ]

    assert len(calls) >= 5
    assert command_problems(tmp_path, calls) == []


def test_every_script_is_there() -> None:
    programs = {command[0] for command in COMMANDS}
    scripts = {program for program in programs if program.startswith("deploy/")}

    assert scripts == {"deploy/alerts.sh", "deploy/bootstrap.sh", "deploy/rollback.sh"}
    assert all((ROOT / script).is_file() for script in scripts)
    # The last two are not ours, and their commands have no parser here.
    assert programs - scripts == {
        *("gcloud", "make", "export", "backtest-worker"),
        *("firebase", "cloud-sql-proxy"),
    }


def test_the_set_up_takes_every_line_of_it(tmp_path: Path) -> None:
    gcloud = FakeGcloud(tmp_path)
    lines = [words for words in COMMANDS if words[0] in ("deploy/bootstrap.sh", "deploy/alerts.sh")]

    assert len(lines) == 5
    for script, *words in lines:
        filled = [word.replace("PROJECT", "my-project").replace("REGION", "eu") for word in words]
        done = gcloud.run([str(ROOT / script), *filled, "--dry-run"])
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("gcloud ") > 20
    assert gcloud.calls == []


def test_the_canary_runs_from_imported_candles_to_a_completed_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands as they are pasted, in an installation that is this machine."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("STORE", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.setenv("DOORBELL", "local")
    for name in ("CANDLES", "ARTIFACTS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    steps = [
        words
        for program, *words in COMMANDS
        if program == "backtest-worker" and "migrate" not in words
    ]
    assert [words[0] for words in steps] == ["candles", "submit", "status"]
    imported, submitted, status = steps

    without = call(*submitted)
    assert call(*imported).exit_code == 0
    done = call(*submitted)
    [job_id] = re.findall(r"^Job (\w+)$", done.stderr, flags=re.MULTILINE)
    shown = call(*(word.replace("ID", job_id) for word in status))

    # It is the import that the canary needs.
    assert without.exit_code != 0
    assert "DATA_NOT_FOUND" in without.stderr
    assert done.exit_code == 0, done.stderr
    assert "completed" in shown.stdout


def test_the_canary_uses_the_settings_of_an_installation() -> None:
    exported = dict(
        word.split("=", 1)
        for words in COMMANDS
        if words[0] == "export" and "postgresql" not in words[1]
        for word in words[1:]
    )
    bootstrap = (ROOT / "deploy" / "bootstrap.sh").read_text()

    assert exported == {
        "STORE": "firestore://PROJECT/(default)",
        "DOORBELL": "pubsub://PROJECT/backtest-doorbell",
        "CANDLES": "gs://PROJECT-backtest-candles",
    }
    assert "doorbell=backtest-doorbell" in bootstrap
    assert "candles=gs://$project-backtest-candles" in bootstrap


@pytest.mark.parametrize(
    "clause",
    [
        "Add Firebase to the project",
        "Import the first candles",
        "Run a canary job",
        "before a release that brings new indexes",
        "may build in a few\n  regions only",
        "domain-restricted sharing",
        "## What only a real project can settle",
    ],
)
def test_the_way_from_nothing_leaves_nothing_out(clause: str) -> None:
    assert clause in FROM_NOTHING


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
        word
        for line in re.findall(r"^- .*$", FROM_NOTHING, flags=re.MULTILINE)
        for word in re.findall(r"`(--[a-z-]+)", line)
    } | {"--dry-run"}

    assert "deploy/bootstrap.sh PROJECT REGION --dry-run" in FROM_NOTHING
    assert named == set(re.findall(r"^    (--[a-z-]+)=?\*?\)", script, flags=re.MULTILINE))


def test_what_the_page_says_of_accounts_is_made() -> None:
    script = (ROOT / "deploy" / "bootstrap.sh").read_text()
    documented = set(re.findall(r"^\| `(backtest-[a-z]+)` \|", PAGE.split("### Who may")[1], re.M))

    assert documented == set(re.findall(r"^ *make_account (\S+)", script, flags=re.MULTILINE))
