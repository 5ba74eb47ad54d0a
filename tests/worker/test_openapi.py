"""Every route is described, every example is right, and ``/docs`` needs nobody else."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import engine
from tests.support.control import make_control
from tests.support.pages import parse_page
from tests.support.patience import PATIENCE_SECONDS
from tests.support.signed_tokens import issuer
from tests.support.workers import make_worker
from worker.adapters.candle_files import CandleFiles
from worker.entrypoints.openapi import completed, install_documentation
from worker.report.result_report import policy

Operation = tuple[str, str, dict[str, Any]]

FIREBASE = {"auth": "firebase", "firebase_project": "demo"}
CONTROL = make_control(issuer().fetch, **FIREBASE).client.get("/openapi.json").json()
WORKER = make_worker().client.get("/openapi.json").json()
BOTH = {"control": CONTROL, "worker": WORKER}


def operations(description: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


ALL = [
    pytest.param(service, operation, id=f"{service} {method.upper()} {path}")
    for service, description in BOTH.items()
    for method, path, operation in operations(description)
]


def resolved(service: str, schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    return dict(BOTH[service]["components"]["schemas"][schema["$ref"].rpartition("/")[2]])


def examples(service: str, content: dict[str, Any]) -> list[Any]:
    """All examples of a body, wherever they are written."""
    if "example" in content:
        return [content["example"]]
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = resolved(service, content["schema"])
    choices = schema.get("anyOf", [schema])
    return [
        example for choice in choices for example in resolved(service, choice).get("examples", [])
    ]


def check(service: str, content: dict[str, Any]) -> None:
    """Every example is what the schema says, and there is one."""
    found = examples(service, content)
    assert found
    schema = {**content["schema"], "components": BOTH[service]["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    for example in found:
        validator.validate(example)


@pytest.mark.parametrize("service", BOTH)
def test_the_description_is_a_valid_one(service: str) -> None:
    described = BOTH[service]
    assert described["openapi"].startswith("3.1")
    assert described["info"]["description"]
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_every_route_says_what_it_is_for(service: str, operation: dict[str, Any]) -> None:
    assert len(operation["summary"].split()) >= 2
    assert operation["summary"] != operation["operationId"].replace("_", " ").title()
    if service == "control":
        assert operation["tags"]
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), parameter["name"]
    for answer in operation["responses"].values():
        assert answer["description"]


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_every_answer_has_a_model_and_examples_of_it(
    service: str, operation: dict[str, Any]
) -> None:
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            if not kind.endswith("json"):
                assert kind in ("text/html", "text/plain", "application/vnd.apache.parquet")
                continue
            assert resolved(service, content["schema"]), status
            assert (kind == "application/problem+json") == (status[0] in "45")
            check(service, content)


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_every_body_has_a_schema_and_examples_of_it(
    service: str, operation: dict[str, Any]
) -> None:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        assert content["schema"]
        if kind.endswith("json"):
            check(service, content)


@pytest.mark.parametrize(("service", "operation"), ALL)
def test_every_posted_json_may_be_refused(service: str, operation: dict[str, Any]) -> None:  # noqa: ARG001 - names the case
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        answer = operation["responses"]["422"]["content"]["application/problem+json"]
        assert set(answer["example"]["errors"][0]) == {"path", "expected", "got"}


def test_routes_ask_for_the_token_of_those_they_are_for() -> None:
    for _, path, operation in operations(CONTROL):
        schemes = [name for needed in operation.get("security", []) for name in needed]
        if path in ("/health", "/ready"):
            assert schemes == []
            continue
        assert schemes == ["Firebase" if path.startswith("/v1/") else "GoogleOIDC"], path
        assert {"401", "503"} <= set(operation["responses"]), path
        assert ("403" in operation["responses"]) == (
            "GoogleOIDC" in schemes or path == "/v1/candles"
        )


def test_the_frameworks_own_error_is_not_described() -> None:
    for described in BOTH.values():
        assert "HTTPValidationError" not in str(described)
        assert "Problem" in described["components"]["schemas"]


def bodies() -> Iterator[Any]:
    for _, path, operation in operations(CONTROL):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            for number, example in enumerate(examples("control", content)):
                yield pytest.param(path, kind, example, id=f"{path} {kind} {number}")


@pytest.mark.parametrize(("path", "kind", "example"), list(bodies()))
def test_every_example_of_a_body_is_accepted(
    path: str, kind: str, example: Any, tmp_path: Path
) -> None:
    client = make_control(candles=CandleFiles(tmp_path), check=engine.parse_config).client
    headers = {"Content-Type": kind}
    if kind == "application/json":
        answer = client.post(path, json=example)
    else:
        query = {"symbol": "SPY", "timeframe": "1d"}
        answer = client.post(path, params=query, content=example.encode(), headers=headers)
    assert answer.status_code in (200, 201), answer.text


def worker_bodies() -> Iterator[Any]:
    for _, path, operation in operations(WORKER):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for number, example in enumerate(examples("worker", content)):
                yield pytest.param(path, example, id=f"{path} {number}")


@pytest.mark.parametrize(("path", "example"), list(worker_bodies()))
def test_every_example_of_a_workers_body_is_accepted(path: str, example: Any) -> None:
    parts = make_worker()
    if "jobId" in example:
        parts.queue(example["jobId"])
    answer = parts.client.post(path, json=example)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_not_described_is_not_there(method: str) -> None:
    assert make_control().client.request(method, "/redoc").status_code == 404
    assert make_worker().client.request(method, "/redoc").status_code == 404


def client_of(service: str) -> TestClient:
    return make_control().client if service == "control" else make_worker().client


@pytest.mark.parametrize("service", BOTH)
def test_the_page_describes_every_route_and_loads_nothing(service: str) -> None:
    answer = client_of(service).get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == f"{policy()}; frame-ancestors 'none'"
    root = parse_page(answer.text)
    names = {element.name for element in root.walk()}
    assert not names & {"script", "link", "img", "iframe", "form"}
    targets = {element.attributes["href"] for element in root.all("a")}
    sections = {element.attributes["id"] for element in root.all("section")}
    assert targets == {f"#{name}" for name in sections} | {"openapi.json"}
    headings = [element.text for element in root.all("h2")]
    described = [f"{method.upper()} {path}" for method, path, _ in operations(BOTH[service])]
    assert sorted(headings) == sorted(described)
    of_users = [" /v1/" in heading for heading in headings]
    assert of_users == sorted(of_users, reverse=True), "those for users come first"


def test_the_page_shows_fields_and_examples() -> None:
    root = parse_page(client_of("control").get("/docs").text)
    section = root.one("section", id="post-v1-backtests")
    captions = [table.one("caption").text for table in section.all("table")]
    assert captions == ["Parameters", "Body, application/json", "Answers"]
    assert "priority" in section.text
    assert "errors" in [code.text for code in section.all("code")]
    assert "`" not in section.text
    assert "Successful Response" not in root.text
    shown = [pre.text for pre in section.all("pre")]
    assert any('"strategyId": "wheel"' in text for text in shown)
    assert any('"jobId"' in text for text in shown)


def test_a_hostile_description_stays_text() -> None:
    from worker.report.reference import reference_page

    evil = "</title><script>alert(1)</script>"
    operation = {
        "summary": evil,
        "operationId": "x",
        "responses": {"200": {"description": evil}},
        "parameters": [{"name": evil, "in": "query", "schema": {"type": "string"}}],
    }
    page = reference_page(
        {
            "info": {"title": evil, "version": "1", "description": evil},
            "paths": {f"/{evil}": {"get": operation}},
            "components": {"schemas": {}},
        }
    )
    assert "<script" not in page
    assert parse_page(page).one("h1").text == evil


def test_a_description_is_completed_without_repeating_itself() -> None:
    plain = {
        "paths": {
            "/x": {
                "get": {
                    "security": [{"bearer": []}],
                    "responses": {
                        "422": {"description": "Validation Error"},
                        "200": {"description": "Good."},
                        "503": {"description": "Own words."},
                    },
                }
            }
        }
    }
    responses = completed(plain)["paths"]["/x"]["get"]["responses"]
    assert list(responses) == ["200", "401", "422", "503"]
    assert responses["503"]["description"] == "Own words."
    assert re.search("every wrong field", responses["422"]["description"])
    assert "content" not in responses["200"]


def test_many_who_ask_first_have_one_description_made() -> None:
    app = FastAPI(docs_url=None)
    plain, made = app.openapi, []
    second = threading.Event()

    def slow() -> dict[str, Any]:
        made.append(threading.get_ident())
        if len(made) > 1:
            second.set()
        second.wait(0.2)
        return plain()

    app.openapi = slow  # type: ignore[method-assign]  # in its place
    install_documentation(app)
    given: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: given.append(app.openapi())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert len(made) == 1
    assert [description is given[0] for description in given] == [True] * 4
