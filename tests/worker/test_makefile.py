"""The Makefile chooses an interpreter that starts and is new enough, or says what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "deploy").mkdir()
    for rules in (ROOT / "deploy").glob("*.mk"):
        shutil.copy(rules, tmp_path / "deploy")
    return tmp_path


def make(
    folder: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment | ({"PATH": path} if path else {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def fake_python(folder: Path, name: str, exit_code: int) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {exit_code}\n", encoding="utf-8")
    program.chmod(0o755)


def test_help_lists_what_a_newcomer_needs(folder: Path) -> None:
    said = make(folder).stdout
    for target in ("demo", "test", "lint", "format", "lock"):
        assert f"\n{target} " in f"\n{said}"


@pytest.mark.parametrize("exit_code", [1, 127])
def test_an_interpreter_that_will_not_do_is_named(folder: Path, exit_code: int) -> None:
    """Too old, or (as version managers do) a name on the PATH behind which there is nothing."""
    fake_python(folder, "python-odd", exit_code)
    made = make(folder, "demo", f"PYTHON={folder}/python-odd")
    assert made.returncode != 0
    assert f"Python 3.11 or newer is needed; tried: {folder}/python-odd." in made.stderr
    assert not (folder / ".venv").exists()


def test_the_first_one_that_starts_is_taken(folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "make"):
        (programs / name).symlink_to(shutil.which(name) or name)
    fake_python(programs, "python3.13", 127)
    fake_python(programs, "python3.12", 1)
    (programs / "python3").symlink_to(sys.executable)
    chosen = make(folder, ".venv/bin/python", path=str(programs))
    assert chosen.returncode == 0, chosen.stderr
    assert f"Making .venv with Python {sys.version_info.major}.{sys.version_info.minor}" in (
        chosen.stdout
    )
    assert (folder / ".venv" / "bin" / "python").exists()


def test_an_environment_that_cannot_be_made_leaves_nothing(folder: Path) -> None:
    """Debian's python3 without python3-venv: it starts, but makes half an environment."""
    program = folder / "python-no-venv"
    program.write_text(
        '#!/bin/sh\ncase "$2" in venv) mkdir -p .venv/bin; exit 1;; esac\nexit 0\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    made = make(folder, ".venv/bin/python", f"PYTHON={program}")
    assert made.returncode != 0
    assert not (folder / ".venv").exists()


def test_the_lock_files_pin_everything_by_hash_and_name_no_host() -> None:
    for name in ("runtime.lock", "dev.lock"):
        lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        pinned = [line for line in lines if "==" in line and not line.startswith((" ", "#"))]
        assert len(pinned) > 40
        assert all(line.endswith("\\") for line in pinned)
        assert not [line for line in lines if "://" in line or line.startswith("--")]
