"""The parts of the command line that need no engine: files, progress, messages."""

import io
import json
import sys
from pathlib import Path

import pytest
from google.auth.exceptions import DefaultCredentialsError

from engine import ConfigError, ConfigProblem, DataError
from worker.entrypoints.cli.failures import Failed, explain
from worker.entrypoints.cli.files import print_json, read_bundle, read_config
from worker.entrypoints.cli.progress import Progress
from worker.jobs.errors import (
    Conflict,
    DoorbellUnavailable,
    ErrorCode,
    IllegalTransition,
    JobFailure,
    OutcomeUnknown,
    StoreUnavailable,
)
from worker.settings import SettingsError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_config_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"strategyId": "wheel", "label": "Größe"}', encoding="utf-8")
    assert read_config(str(path)) == {"strategyId": "wheel", "label": "Größe"}


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}')))
    assert read_config("-") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "line 1, column 1: not valid JSON"),
        (b'{"startingCapital": 1, "a": [{"fast": 2, "slow": 5, "fast": 9}]}', "key 'fast' twice"),
        (b'{"a": 1, "b": 1, "b": 1}', "an object has the key 'b' twice"),
        (b'{"a": 1,}', "line 1, column"),
        (b'{\n  "a": 1\n  "b": 2\n}', "line 3, column 3: not valid JSON (Expecting ',' delimiter)"),
        (b"[]", "expected a JSON object, the configuration, got a list of 0"),
        (b'"text"', "expected a JSON object"),
        (b"null", "expected a JSON object, the configuration, got null"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 7)"),
        (b"[" * 100_000, "not JSON that can be read (nested too deep)"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "(a number of too many digits)"),
    ],
)
def test_a_file_that_is_no_config_is_explained(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(Failed) as caught:
        read_config(str(path))
    assert caught.value.message.startswith(f"{path}: ")
    assert complaint in caught.value.message
    assert "\n" not in caught.value.message


def test_each_kind_of_file_is_told_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"baseConfig": {}, "parameterGrid": {}}')
    assert read_bundle(str(path)) == {"baseConfig": {}, "parameterGrid": {}}
    with pytest.raises(Failed, match="this is a bundle; backtest-worker bundle takes it"):
        read_config(str(path))
    path.write_text('{"configUsed": {}}')
    with pytest.raises(Failed, match="expected the configuration itself"):
        read_config(str(path))
    path.write_text('{"strategyId": "wheel"}')
    with pytest.raises(Failed, match="this is a configuration; backtest-worker run or submit"):
        read_bundle(str(path))
    path.write_text("[]")
    with pytest.raises(Failed, match="expected a JSON object, the bundle"):
        read_bundle(str(path))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"absent\.json: No such file"):
        read_config(str(tmp_path / "absent.json"))
    with pytest.raises(Failed, match="Is a directory"):
        read_config(str(tmp_path))


def test_a_file_too_large_for_a_config_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.entrypoints.cli.files.MAX_BYTES", 2**20)
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(Failed, match="larger than 1 MB"):
        read_config(str(path))


def test_json_is_utf8_and_never_nan(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_json({"label": "Größe", "value": None}, indent=None)
    assert capsysbinary.readouterr().out == '{"label": "Größe", "value": null}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"value": float("nan")})


def test_a_bar_moves_on_a_terminal_and_is_gone_at_the_end() -> None:
    terminal = Terminal()
    with Progress("job", terminal) as progress:
        progress.update(0.5, "running")
        progress.update(1.0)
    drawn = terminal.getvalue()
    assert "job  ███████████████░░░░░░░░░░░░░░░  50%  running" in drawn
    assert " 100%" in drawn
    *_, last, end = drawn.split("\r")
    assert last.strip() == ""
    assert end == ""


def test_a_bar_is_drawn_only_when_it_changes() -> None:
    terminal = Terminal()
    with Progress("job", terminal) as progress:
        before = len(terminal.getvalue())
        progress.update(0.0)
        progress.update(0.0001)
        assert len(terminal.getvalue()) == before


def test_a_shorter_state_leaves_nothing_of_a_longer_one() -> None:
    terminal = Terminal()
    with Progress("job", terminal) as progress:
        progress.update(0.2, "something long")
        progress.update(0.2, "x")
        line = terminal.getvalue().split("\r")[-2]
    assert line.rstrip().endswith("20%  x")
    assert len(line) >= len("job  ") + 30 + len("  20%  something long")


def test_a_pipe_sees_no_bar() -> None:
    pipe = io.StringIO()
    with Progress("job", pipe) as progress:
        progress.update(0.5, "running")
    assert pipe.getvalue() == ""


def test_values_outside_the_bar_do_not_break_it() -> None:
    terminal = Terminal()
    with Progress("job", terminal) as progress:
        progress.update(1.7)
        progress.update(-1.0)
    assert "█" * 31 not in terminal.getvalue()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (JobFailure(ErrorCode.DATA_NOT_FOUND, "No candles."), "DATA_NOT_FOUND: No candles."),
        (StoreUnavailable("refused"), "the job store does not answer: refused"),
        (OutcomeUnknown("lost"), "the job store does not answer: lost"),
        (Conflict("j"), "somebody else is writing this job; try again: j"),
        (SettingsError("PORT=x: bad"), "PORT=x: bad"),
        (DoorbellUnavailable("no topic"), "no topic"),
        (IllegalTransition("job j is queued"), "job j is queued"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (DefaultCredentialsError("No credentials."), "No credentials."),
        (DataError("X 1d, bar 3: high is below low", 3), "the candles cannot be used: X 1d, bar 3"),
        (KeyError("x"), "unexpected KeyError: 'x'"),
        (RuntimeError(), "unexpected RuntimeError (backtest-worker --debug"),
    ],
)
def test_every_error_is_one_line(error: Exception, text: str) -> None:
    assert explain(error).startswith(text)
    assert "\n" not in explain(error)


def test_a_bad_config_lists_each_field_on_its_own_line() -> None:
    problems = [
        ConfigProblem("parameters.fast", "less than slow (20)", "30"),
        ConfigProblem("startDate", "an ISO date", "'soon'"),
    ]
    assert explain(ConfigError(problems)).splitlines() == [
        "the configuration is not valid:",
        "  parameters.fast: expected less than slow (20), got 30",
        "  startDate: expected an ISO date, got 'soon'",
    ]


def test_printed_json_can_be_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"rows": 3}])
    assert json.loads(capsys.readouterr().out) == [{"rows": 3}]
