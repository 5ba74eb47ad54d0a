"""An optional key of a request or a file may be null, which means the same as leaving it out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydantic import BaseModel

from tests.support.bundle_runs import open_workshop
from tests.support.client_keys import BUNDLE_KEYS, CONFIG, JOB_KEYS, Key
from tests.support.command_line import Cli
from tests.support.control import OWN
from tests.support.workers import make_worker
from worker.adapters.sql import SqlJobStore
from worker.entrypoints.backtest_requests import NewBacktest
from worker.entrypoints.bundle_requests import NewBundle
from worker.entrypoints.control_app import create_control_app
from worker.jobs.bundle import Bundle, KeepResults
from worker.jobs.states import JobStatus

GRID = {"parameters.fast": [3, 4]}
JOB = {"configUsed": CONFIG}
BUNDLE = {"baseConfig": CONFIG, "parameterGrid": GRID}
ESTIMATE = "/v1/backtests/estimate"

Post = Callable[[str, object], Response]


def names(form: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in form.model_fields.items()}


def in_form(form: type[BaseModel], keys: tuple[Key, ...]) -> list[Key]:
    """The keys that a request has, too."""
    found = [key for key in keys if key.name in names(form)]
    assert {key.name for key in found} == names(form), "the table of keys lacks one of the form"
    return found


#: Each key that a body may have, with where it is sent and the body that it stands in.
SENT = [
    *[("/v1/backtests", JOB, key) for key in in_form(NewBacktest, JOB_KEYS)],
    *[("/v1/bundles", BUNDLE, key) for key in in_form(NewBundle, BUNDLE_KEYS)],
    *[(ESTIMATE, JOB, key) for key in in_form(NewBacktest, JOB_KEYS)],
    *[(ESTIMATE, BUNDLE, key) for key in in_form(NewBundle, BUNDLE_KEYS)],
]
OPTIONAL = [sent for sent in SENT if not sent[2].required]


def told(sent: tuple[str, Any, Key]) -> str:
    path, body, key = sent
    return f"{path}-{'bundle' if body is BUNDLE else 'job'}-{key.name}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Of a control service whose bundles are really expanded."""
    services = open_workshop(tmp_path_factory.mktemp("workshop")).services
    return TestClient(create_control_app(services), base_url=OWN, raise_server_exceptions=False)


def meaning(answer: Response) -> dict[str, Any]:
    """What was made of a request, without what is another one each time."""
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    its_own = ("jobId", "bundleId", "submittedAt", "admittedAt", "startedAt")
    return {name: value for name, value in made.items() if name not in its_own}


@pytest.mark.parametrize(("path", "body", "key"), OPTIONAL, ids=map(told, OPTIONAL))
def test_null_is_absent_in_a_request(
    client: TestClient, path: str, body: dict[str, Any], key: Key
) -> None:
    other = {} if key.instead is None else {key.instead: first_of(key.instead)}
    around = {name: value for name, value in body.items() if name != key.name} | other
    absent = meaning(client.post(path, json=around))
    assert meaning(client.post(path, json={**around, key.name: None})) == absent


def first_of(name: str) -> Any:
    """A right value of a bundle's key."""
    (key,) = (key for key in BUNDLE_KEYS if key.name == name)
    return key.right[0]


@pytest.mark.parametrize(("path", "body", "key"), SENT, ids=map(told, SENT))
def test_a_wrong_value_is_refused_by_its_path(
    client: TestClient, path: str, body: dict[str, Any], key: Key
) -> None:
    around = {name: value for name, value in body.items() if name != key.instead}
    for value in key.right:
        meaning(client.post(path, json={**around, key.name: value}))
    for value in key.wrong:
        answer = client.post(path, json={**around, key.name: value})
        if path != ESTIMATE or answer.status_code != 200:
            assert answer.status_code == 422, answer.text
        assert key.name in answer.text


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/backtests", JOB, "configUsed"),
        ("/v1/bundles", BUNDLE, "baseConfig"),
        (ESTIMATE, JOB, "configUsed"),
    ],
)
def test_null_in_a_required_key_says_so(
    client: TestClient, path: str, body: dict[str, Any], name: str
) -> None:
    answer = client.post(path, json={**body, name: None})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": name, "expected": "an object (required)", "got": "null"}
    ]


def test_an_estimate_takes_the_keys_of_the_other_kind_as_null(client: TestClient) -> None:
    every = dict.fromkeys(names(NewBacktest) | names(NewBundle))
    for body in (JOB, BUNDLE):
        expected = meaning(client.post(ESTIMATE, json=body))
        assert meaning(client.post(ESTIMATE, json={**every, **body})) == expected
    answer = client.post(ESTIMATE, json={**JOB, "stray": None})
    assert [error["path"] for error in answer.json()["errors"]] == ["stray"]


def test_nulls_say_nothing_of_what_a_body_is(client: TestClient) -> None:
    """A config or a bundle that is sent to the wrong place is told so, whatever else is null."""
    answer = client.post("/v1/backtests", json={**CONFIG, "configUsed": None})
    assert "This is a configuration" in answer.json()["detail"]
    answer = client.post("/v1/bundles", json={**CONFIG, "baseConfig": None})
    assert "This is a configuration" in answer.json()["detail"]
    answer = client.post("/v1/backtests", json={**BUNDLE, "strategyId": None})
    assert "This is a bundle" in answer.json()["detail"]


def test_the_second_run_of_a_job_is_not_forced_by_null() -> None:
    parts = make_worker()
    parts.queue("j1")
    answer = parts.client.post("/run", json={"jobId": "j1", "force": None})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert parts.client.post("/run", json={"jobId": "j1", "force": None}).status_code == 409
    answer = parts.client.post("/run", json={"jobId": None})
    assert answer.json()["errors"] == [
        {"path": "jobId", "expected": "text (required)", "got": "null"}
    ]


def body_schema(description: dict[str, Any], path: str) -> Any:
    content = description["paths"][path]["post"]["requestBody"]["content"]
    return content["application/json"]["schema"]


def test_the_descriptions_of_bodies_say_what_may_be_null(client: TestClient) -> None:
    control = client.get("/openapi.json").json()
    worker = make_worker().client.get("/openapi.json").json()
    for path, body, key in SENT:
        schema = body_schema(control, path)
        jsonschema.validate(body, schema)
        if key.required:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**body, key.name: None}, schema)
        else:
            jsonschema.validate({**body, key.name: None}, schema)
    jsonschema.validate({"jobId": "j1", "force": None}, body_schema(worker, "/run"))
    priority = body_schema(control, "/v1/backtests")["properties"]["priority"]
    assert priority["default"] == 0
    assert priority["description"].startswith("Higher runs first")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**JOB, "priority": 10}, body_schema(control, "/v1/backtests"))


#: A config as a client writes it that serializes whole objects.
FULL_CONFIG = {
    **dict.fromkeys(("timeframe", "maxCycles", "label", "regime", "annualization", "execution")),
    **CONFIG,
    "pricePath": [100.0 + bar % 9 - bar % 4 for bar in range(60)],
    "parameters": {"fast": 5, "slow": None},
}


def test_nulls_in_the_file_of_a_config(cli: Cli, here: Path) -> None:
    file = here / "config.json"
    file.write_text(json.dumps(FULL_CONFIG))
    submitted = cli("submit", file, "--wait", "--json")
    assert submitted.exit_code == 0, submitted.stderr
    assert json.loads(submitted.stdout)["status"] == "completed"
    file.write_text(json.dumps({**CONFIG, "startDate": None}))
    refused = cli("submit", file)
    assert refused.exit_code != 0
    assert "startDate: expected an ISO date" in refused.stderr
    assert "got null" in refused.stderr


def test_nulls_in_the_file_of_a_bundle(cli: Cli, here: Path) -> None:
    file = here / "bundle.json"
    nulls = {key.name: None for key in in_form(NewBundle, BUNDLE_KEYS) if not key.required}
    file.write_text(json.dumps({**nulls, "baseConfig": FULL_CONFIG, "variants": [{}]}))
    submitted = cli("bundle", file, "--json")
    assert submitted.exit_code == 0, submitted.stderr
    bundle = stored(json.loads(submitted.stdout)["bundleId"])
    assert (bundle.status, bundle.priority, bundle.name) == (JobStatus.RUNNING, 0, None)
    assert (bundle.rank_by, bundle.keep_results) == ("sharpe", KeepResults.BEST)

    file.write_text(json.dumps({**BUNDLE, "baseConfig": None}))
    refused = cli("bundle", file)
    assert refused.exit_code != 0
    assert "baseConfig: expected an object (required), got null" in refused.stderr


def stored(bundle_id: str) -> Bundle:
    store = SqlJobStore("sqlite:///var/backtests.db")
    try:
        seen = store.get_bundle(bundle_id)
        assert seen is not None
        return seen.bundle
    finally:
        store.close()


def test_files_are_told_apart_by_what_is_not_null(cli: Cli, here: Path) -> None:
    file = here / "file.json"
    file.write_text(json.dumps({**CONFIG, "baseConfig": None}))
    assert "baseConfig: expected no such key" in cli("submit", file).stderr
    file.write_text(json.dumps({**CONFIG, "configUsed": None}))
    assert "configUsed: expected no such key" in cli("submit", file).stderr
    file.write_text(json.dumps({**CONFIG, "baseConfig": None}))
    assert "this is a configuration" in cli("bundle", file).stderr
