"""What a command says of the place it is to work in before it works there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from google.auth.exceptions import DefaultCredentialsError

from tests.support.control import laptop_settings
from tests.support.jobs import a_job, an_admitted_job
from worker.adapters.sql import SqlJobStore
from worker.bootstrap import build_services
from worker.entrypoints.cli import main
from worker.entrypoints.cli.bundles import _require_no_failure
from worker.entrypoints.cli.failures import Failed
from worker.jobs.bundle import Bundle
from worker.jobs.errors import ErrorCode
from worker.jobs.states import JobStatus
from worker.jobs.transitions import reject
from worker.ports import Pause
from worker.settings import Settings, SettingsError

Cli = Callable[..., Result]

CONFIG: dict[str, Any] = {
    "strategyId": "buyAndHold",
    "symbol": "TEST",
    "startDate": "2024-01-01",
    "endDate": "2024-01-31",
    "startingCapital": 10_000,
    "pricePath": [100.0 + bar % 7 for bar in range(20)],
}
BUNDLE = {"baseConfig": CONFIG, "parameterGrid": {"startingCapital": [1_000, 2_000]}}
STEERING = "no\x1b[2Jthing\nError: here"
SHOWN = "no\\x1b[2Jthing\\nError: here"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/folder/jobs.db"
    for name, value in {"STORE": address, "CANDLES": "candles", "ARTIFACTS": "art"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return address


@pytest.fixture
def cli(url: str) -> Cli:  # noqa: ARG001 - is set
    def call(*arguments: str, stdin: Any = None) -> Result:
        return CliRunner().invoke(main, arguments, input=json.dumps(stdin))

    return call


@pytest.mark.parametrize(
    "command",
    [
        ("status", "job-1"),
        ("status", "job-1", "--result"),
        ("cancel", "job-1"),
        ("replay", "job-1"),
        ("replay-failed", "--code", "TIMEOUT"),
        ("sweep",),
        ("pause",),
        ("resume",),
        ("scale", "--current", "1"),
    ],
)
def test_a_store_that_is_not_there_is_not_made_to_look_into(
    cli: Cli, url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = cli(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: there is no job store at STORE={url}: backtest-worker submit makes one\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "content"), [("submit", CONFIG), ("bundle", BUNDLE)], ids=["submit", "bundle"]
)
class TestPause:
    def test_who_submits_to_a_paused_fleet_hears_of_it(
        self, cli: Cli, url: str, command: str, content: Any
    ) -> None:
        store = SqlJobStore(url)
        store.require_schema()
        store.set_pause(Pause(is_on=True, reason="new\x1bdisks"))
        store.close()
        result = cli(command, "-", stdin=content)
        assert result.exit_code == 0
        assert result.stderr == (
            "The fleet is paused (new\\x1bdisks): it runs nothing until backtest-worker resume.\n"
        )

    def test_who_submits_to_one_that_runs_hears_nothing(
        self, cli: Cli, command: str, content: Any
    ) -> None:
        result = cli(command, "-", stdin=content)
        assert (result.exit_code, result.stderr) == (0, "")


class TestMessagesOfOthers:
    def test_a_failed_jobs_message_is_shown_as_it_is_written(self, cli: Cli, url: str) -> None:
        store = SqlJobStore(url)
        store.require_schema()
        seen = store.create(an_admitted_job("job-1"))
        store.commit(seen, reject(seen.job, ErrorCode.DATA_INVALID, STEERING))
        store.close()
        result = cli("status", "job-1", "--result")
        assert result.exit_code == 1
        assert result.stderr == (
            f"Error: job job-1 is failed (DATA_INVALID: {SHOWN}); it has no result\n"
        )

    def test_so_is_that_of_one_that_is_replayed_in_vain(self, cli: Cli, url: str) -> None:
        store = SqlJobStore(url)
        store.require_schema()
        seen = store.create(a_job("job-1", engine_version=STEERING))
        store.commit(seen, reject(seen.job, ErrorCode.TIMEOUT, "slow"))
        store.close()
        result = cli("replay", "job-1", "--wait")
        assert result.exit_code == 1
        assert SHOWN in result.stderr
        assert result.stderr.count("\n") == 1

    def test_and_that_of_a_bundle(self) -> None:
        ended = Bundle(
            bundle_id="b",
            status=JobStatus.FAILED,
            error_code=ErrorCode.INVALID_CONFIG,
            error_message=STEERING,
        )
        with pytest.raises(Failed) as raised:
            _require_no_failure(ended)
        assert raised.value.format_message() == f"bundle b failed with INVALID_CONFIG: {SHOWN}"

    def test_whatever_else_a_failure_repeats_keeps_its_lines_and_steers_nothing(self) -> None:
        assert Failed("two\nlines\x9b31m").format_message() == "two\nlines\\x9b31m"


class TestDirectories:
    @pytest.mark.parametrize("setting", ["CANDLES", "ARTIFACTS"])
    @pytest.mark.parametrize("command", [("submit", "-"), ("serve",), ("control",)])
    def test_a_file_in_place_of_a_directory_is_told_at_once(
        self,
        cli: Cli,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        setting: str,
        command: tuple[str, ...],
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv(setting, "file")
        result = cli(*command, stdin=CONFIG)
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1] == (
            f"Error: {setting}=file: expected a directory or gs://BUCKET/PREFIX, got a file"
        )

    def test_no_store_is_opened_that_nobody_would_close(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        opened: list[Settings] = []
        monkeypatch.setattr("worker.bootstrap.services.build_store", opened.append)
        for place in ("candles", "artifacts"):
            with pytest.raises(SettingsError, match="got a file"):
                build_services(laptop_settings(**{place: str(tmp_path / "file")}))
        assert opened == []

    def test_so_nothing_is_listed_as_empty(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("CANDLES", "file")
        assert cli("candles", "list").exit_code == 1
        monkeypatch.setenv("CANDLES", "not-there-yet")
        assert cli("candles", "list").exit_code == 0


@pytest.mark.parametrize("command", [("status", "job-1"), ("cancel", "job-1"), ("pause",)])
def test_firestore_without_credentials_names_the_setting(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("STORE", "firestore://demo")
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    nothing = Mock(side_effect=DefaultCredentialsError("None were found."))
    monkeypatch.setattr("google.auth.default", nothing)
    result = cli(*command)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    expected = (
        "Error: STORE=firestore://demo: expected firestore://PROJECT/DATABASE with Google's c"
    )
    assert result.stderr.startswith(expected)
    assert result.stderr.endswith(" got neither: None were found.\n")


def test_options_of_a_sqlite_file_are_no_part_of_its_path(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", f"sqlite:///{tmp_path}/jobs.db?mode=ro")
    for command in (("status", "job-1"), ("submit", "-"), ("migrate",)):
        result = cli(*command, stdin=CONFIG)
        assert result.exit_code == 1
        assert "no ? may stand: it takes no options" in result.stderr
        assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
