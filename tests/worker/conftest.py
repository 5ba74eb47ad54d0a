"""Where tests of the command line run."""

from pathlib import Path

import pytest

from tests.support.command_line import Cli, call
from worker.settings import Settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; every setting at its default, emulators where they are."""
    for name in Settings.model_fields:
        if not name.endswith("_emulator_host"):
            monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(here: Path) -> Cli:  # noqa: ARG001 - runs there
    """Runs a command there."""
    return call
