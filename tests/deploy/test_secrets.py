"""Passwords and tokens stay out of everything that is printed or logged."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import CONFIG, make_control
from tests.support.patience import PATIENCE_SECONDS
from tests.support.processes import free_port
from tests.support.workers import make_worker
from worker.logs import configure_logging
from worker.oidc import Certificates

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
        timeout=PATIENCE_SECONDS,
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


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2VjcmV0LXNpZ25hdHVyZQ"
CALLERS: dict[str, Any] = {"oidc_audiences": "https://here", "oidc_callers": "ops@my-project"}


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, in full."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    configure_logging("json", stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers, root.level = before[0], before[1]


def no_certificates(_: str) -> Certificates:
    raise AssertionError("a token of nobody's needs no certificate")


@pytest.mark.parametrize("path", ["/tasks/sweep", "/events/firestore", "/v1/backtests"])
def test_a_token_that_the_control_service_refuses(path: str, logged: io.StringIO) -> None:
    control = make_control(
        no_certificates, auth="firebase", firebase_project="my-project", **CALLERS
    )

    answer = control.client.post(
        path, json={"configUsed": CONFIG}, headers={"Authorization": f"Bearer {TOKEN}"}
    )

    assert answer.status_code in (401, 403)
    assert TOKEN not in answer.text + logged.getvalue()
    assert TOKEN.rsplit(".", 1)[1] not in answer.text + logged.getvalue()


@pytest.mark.parametrize("path", ["/pubsub/push", "/run", "/run-backtest"])
def test_a_token_that_the_worker_refuses(path: str, logged: io.StringIO) -> None:
    worker = make_worker(no_certificates, **CALLERS)

    answer = worker.client.post(path, json={}, headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code in (401, 403)
    assert logged.getvalue()
    assert TOKEN.rsplit(".", 1)[1] not in answer.text + logged.getvalue()


def test_what_a_user_sends_is_not_logged(logged: io.StringIO) -> None:
    """Configs are their owners' business; a label may hold anything."""
    worker = make_worker()
    worker.queue(config_used={**CONFIG, "label": "my-secret-idea"})

    worker.drain()

    assert "job_completed" in logged.getvalue()
    assert "my-secret-idea" not in logged.getvalue()
