"""A database's password stays out of everything that is printed or logged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import free_port

PASSWORD = "hunter2-correct-horse"
COMMAND = str(Path(sys.executable).with_name("backtest-worker"))


def said(*arguments: str, store: str) -> str:
    """Everything that a failing command prints."""
    done = subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, "STORE": store, "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", [("status", "a-job"), ("replay", "a-job")], ids=str)
def test_when_the_database_does_not_answer(command: tuple[str, ...]) -> None:
    store = f"postgresql+psycopg://someone:{PASSWORD}@127.0.0.1:{free_port()}/jobs"

    assert PASSWORD not in said(*command, store=store)


@pytest.mark.parametrize(
    "store",
    [
        f"postgres://someone:{PASSWORD}@host/jobs",
        f"mysql://someone:{PASSWORD}@ho@st/jobs",
        f"postgresql+psycopg2://:{PASSWORD}@/jobs",
    ],
)
@pytest.mark.parametrize("command", [("status", "a-job"), ("serve",), ("control",)], ids=str)
def test_when_the_address_is_of_a_wrong_kind(command: tuple[str, ...], store: str) -> None:
    text = said(*command, store=store)

    assert "STORE=" in text
    assert PASSWORD not in text
