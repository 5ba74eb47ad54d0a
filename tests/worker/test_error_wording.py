"""Whoever is refused is told the field, what belongs there and what was there instead."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import engine
from tests.support.control import CONFIG, make_control
from tests.support.patience import PATIENCE_SECONDS
from tests.support.workers import make_worker
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.field_errors import field_errors, not_json
from worker.jobs.errors import StoreError
from worker.settings import Settings, SettingsError, load_settings

COMMAND = str(Path(sys.executable).with_name("backtest-worker"))


def told(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return list(answer.json()["errors"])


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=many", {"path": "limit", "expected": "a whole number", "got": "'many'"}),
        ("limit=0", {"path": "limit", "expected": "a number ≥ 1", "got": "'0'"}),
        ("limit=201", {"path": "limit", "expected": "a number ≤ 200", "got": "'201'"}),
        ("cursor=x", {"path": "cursor", "expected": "nextCursor of a page", "got": "'x'"}),
    ],
)
def test_query_parameters(query: str, error: Mapping[str, str]) -> None:
    assert told(make_control().client.get(f"/v1/backtests?{query}")) == [error]


def test_a_long_value_is_cut() -> None:
    (error,) = told(make_control().client.get(f"/v1/backtests?limit={'9' * 5_000}x"))
    assert len(error["got"]) < 100
    assert error["got"].endswith("…")


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"", "text that is none: Expecting value at character 1"),
        (b'{"configUsed": }', "text that is none: Expecting value at character 16"),
    ],
)
def test_json_that_is_none_says_where(body: bytes, got: str) -> None:
    error = {"path": "", "expected": "JSON", "got": got}
    json = {"Content-Type": "application/json"}
    for route in ("/v1/backtests", "/v1/bundles", "/v1/backtests/estimate"):
        answer = make_control().client.post(route, content=body, headers=json)
        assert told(answer) == [error]
    for route in ("/run", "/run-backtest"):
        assert told(make_worker().client.post(route, content=body, headers=json)) == [error]


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b'"\xff"', "text that is none: byte 2 is no UTF-8"),
        (b"[" * 100_000, "text that is none: nested too deeply"),
        (b'{"configUsed": NaN}', "JSON has no NaN"),
        (b'{"configUsed": [-Infinity]}', "JSON has no -Infinity"),
        (b"9" * 5_000, "an integer of too many digits"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "an object has the key 'b' twice"),
    ],
)
def test_other_bodies_that_are_no_json(body: bytes, got: str) -> None:
    json = {"Content-Type": "application/json"}
    for answer in (
        make_worker().client.post("/run", content=body, headers=json),
        make_control().client.post("/v1/backtests", content=body, headers=json),
        make_control().client.post("/v1/bundles", content=body, headers=json),
    ):
        (error,) = told(answer)
        assert (error["path"], error["expected"]) == ("", "JSON")
        assert got in error["got"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is not JSON: Expecting value at line 1, column 1."),
        (
            b'{"priority": 1,\n "a" 2}',
            "The body is not JSON: Expecting ':' delimiter at line 2, col",
        ),
        (
            b'{"a": 1, "a": 2}',
            "The body is not JSON that can be read: an object has the key 'a' tw",
        ),
        (b'"\xff"', "The body is not JSON that can be read: byte 2 is no UTF-8."),
    ],
)
def test_a_body_that_is_no_json_is_not_told_as_a_field(body: bytes, detail: str) -> None:
    headers = {"Content-Type": "application/json"}
    for route in ("/v1/backtests", "/v1/bundles", "/v1/backtests/estimate"):
        answer = make_control().client.post(route, content=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("routes", "body", "field", "detail"),
    [
        (
            ("/v1/backtests", "/v1/backtests/estimate"),
            CONFIG,
            "configUsed",
            'This is a configuration: send it as {"configUsed": …}.',
        ),
        (
            ("/v1/bundles",),
            CONFIG,
            "baseConfig",
            'This is a configuration: a bundle has it in {"baseConfig": …}, beside parameterGrid '
            "or variants.",
        ),
        (
            ("/v1/backtests",),
            {"baseConfig": CONFIG},
            "configUsed",
            "This is a bundle: POST /v1/bundles takes it.",
        ),
    ],
)
def test_something_else_in_place_of_a_request_is_one_sentence(
    routes: Sequence[str], body: Mapping[str, Any], field: str, detail: str
) -> None:
    for route in routes:
        answer = make_control().client.post(route, json=body)
        assert answer.json()["detail"] == detail
        (error,) = told(answer)
        assert error["path"] == field


@pytest.mark.parametrize("route", ["/v1/backtests", "/v1/bundles", "/v1/backtests/estimate"])
def test_a_body_of_another_type(route: str) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = make_control().client.post(route, content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert answer.json()["detail"] == "Content-Type: expected application/json, got text/plain."


@pytest.mark.parametrize(
    ("route", "body", "errors"),
    [
        ("/run", {}, [{"path": "jobId", "expected": "a value", "got": "nothing"}]),
        ("/run", [], [{"path": "", "expected": "an object", "got": "a list of 0"}]),
        ("/run", {"jobId": 5}, [{"path": "jobId", "expected": "text", "got": "5"}]),
        (
            "/run",
            {"jobId": "a/b"},
            [{"path": "jobId", "expected": "the id of a job", "got": "'a/b'"}],
        ),
        (
            "/run",
            {"jobId": "j", "force": "yes", "now": 1},
            [
                {"path": "force", "expected": "true or false", "got": "'yes'"},
                {"path": "now", "expected": "no such field", "got": "a value"},
            ],
        ),
        (
            "/run-backtest",
            {"configUsed": None},
            [{"path": "configUsed", "expected": "an object (required)", "got": "null"}],
        ),
    ],
)
def test_fields_of_the_workers_routes(route: str, body: Any, errors: list[Any]) -> None:
    assert told(make_worker().client.post(route, json=body)) == errors


def test_fields_of_a_submission() -> None:
    body = {"configUsed": CONFIG, "priority": 10, "timeoutSeconds": 0, "engineVersion": 1, "x": 1}
    assert told(make_control().client.post("/v1/backtests", json=body)) == [
        {"path": "priority", "expected": "a number ≤ 9", "got": "10"},
        {"path": "engineVersion", "expected": "text", "got": "1"},
        {"path": "timeoutSeconds", "expected": "a number ≥ 1", "got": "0"},
        {"path": "x", "expected": "no such field", "got": "a value"},
    ]


@pytest.mark.parametrize("given", [-1, 1.5, "three"])
def test_the_number_of_cycles(given: object) -> None:
    config = CONFIG | {"maxCycles": given}
    with pytest.raises(engine.ConfigError) as refused:
        engine.parse_config(config)
    wanted = "a number ≥ 0" if given == -1 else "a whole number"
    assert [str(problem) for problem in refused.value.problems] == [
        f"maxCycles: expected {wanted}, got {given!r}"
    ]


def test_no_cycles_means_any_number_of_them() -> None:
    assert engine.parse_config(CONFIG | {"maxCycles": 0}).max_cycles is None


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"PORT": "abc"}, "PORT=abc: expected a whole number"),
        ({"PORT": "70000"}, "PORT=70000: expected a number ≤ 65535"),
        ({"HEARTBEAT_SECONDS": "-1"}, "HEARTBEAT_SECONDS=-1: expected a number > 0"),
        ({"DRAIN_SECONDS": "soon"}, "DRAIN_SECONDS=soon: expected a number"),
        ({"ALLOW_LOCAL": "maybe"}, "ALLOW_LOCAL=maybe: expected true or false"),
        ({"AUTH": "nobody"}, "AUTH=nobody: expected 'none' or 'firebase'"),
        ({"LOCAL_USER": ""}, "LOCAL_USER=: expected at least 1 characters"),
        ({"STORE": "sqlite:///"}, "STORE=sqlite:///: expected sqlite:///PATH, postgresql"),
        ({"STORE": "sqlite:///:memory:"}, "STORE=sqlite:///:memory:: expected sqlite:///PATH"),
        ({"STORE": "sqlite:/x.db"}, "STORE=sqlite:/x.db: expected sqlite:///PATH"),
    ],
)
def test_settings(setting: Mapping[str, str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_a_password_in_a_setting_is_not_told() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(store="mysql://me:secret@host/db")
    assert "secret" not in str(refused.value)
    assert "STORE=mysql://me:***@host/db" in str(refused.value)


def file_with_text(path: Path) -> Path:
    path.write_text("hello", encoding="utf-8")
    return path


def test_a_database_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected a SQLite database, got a directory"):
        SqlJobStore(f"sqlite:///{tmp_path}")


def test_a_database_that_is_another_kind_of_file(tmp_path: Path) -> None:
    path = file_with_text(tmp_path / "notes.txt")
    with pytest.raises(StoreError) as refused:
        SqlJobStore(f"sqlite:///{path}")
    assert str(refused.value) == (
        f"{path}: expected a SQLite database, got: file is not a database"
    )
    assert path.read_text(encoding="utf-8") == "hello"


def test_a_database_where_no_file_can_be(tmp_path: Path) -> None:
    path = file_with_text(tmp_path / "notes.txt") / "jobs.db"
    with pytest.raises(StoreError) as refused:
        SqlJobStore(f"sqlite:///{path}")
    assert str(refused.value).startswith(f"{path}: expected a place where a file can be made, got:")


def test_a_database_that_somebody_writes_is_opened_all_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    first = SqlJobStore(url)
    second = SqlJobStore(url)
    second.ping()
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("command", "environment", "complaint"),
    [
        ("serve", {"HOST": "0.0.0.0"}, "set OIDC_AUDIENCES and OIDC_CALLERS"),
        ("poll", {"HOST": "0.0.0.0"}, "set OIDC_AUDIENCES and OIDC_CALLERS"),
        ("control", {"HOST": "0.0.0.0"}, "AUTH=none is for loopback only"),
        ("control", {"AUTH": "firebase"}, "AUTH=firebase needs FIREBASE_PROJECT"),
        ("serve", {"PORT": "abc"}, "PORT=abc: expected a whole number"),
    ],
)
def test_a_server_that_may_not_start_leaves_nothing_behind(
    command: str, environment: Mapping[str, str], complaint: str, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    ran = subprocess.run(
        [COMMAND, command],
        cwd=tmp_path,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ran.returncode == 1
    assert complaint in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_paths_and_places_are_told_as_people_count() -> None:
    error = {"type": "missing", "loc": ("body", "a", 0, "b"), "msg": "", "input": {}}
    assert field_errors([error], skip=1) == [
        {"path": "a.0.b", "expected": "a value", "got": "nothing"}
    ]
    assert not_json("Expecting value")["got"] == "text that is none: Expecting value"
