"""A query parameter that a route does not know is refused with its name and the known ones."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.support.control import Control, make_control
from tests.support.jobs import a_running_job
from tests.support.workers import make_worker

CLIENTS = {"control": make_control().client, "worker": make_worker().client}
#: What Pub/Sub and Eventarc add to the address of a push.
ADDED = "__GCP_CloudEventsMode=CE_PUBSUB_BINDING"
TOLERANT = {
    *("/health", "/ready", "/metrics"),
    *("/pubsub/push", "/events/firestore", "/tasks/sweep"),
}


@pytest.fixture
def control() -> Control:
    return make_control()


def described(client: TestClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


ALL = [
    pytest.param(service, method, path, operation, id=f"{service} {method.upper()} {path}")
    for service, client in CLIENTS.items()
    for method, path, operation in described(client)
]


def known_of(operation: dict[str, Any]) -> list[str]:
    parameters = operation.get("parameters", [])
    return sorted(one["name"] for one in parameters if one["in"] == "query")


def ask(client: TestClient, method: str, path: str, query: str) -> httpx.Response:
    address = path.replace("{", "").replace("}", "")
    return client.request(method.upper(), f"{address}?{query}")


@pytest.mark.parametrize(("service", "method", "path", "operation"), ALL)
def test_every_route_refuses_an_unknown_one_but_those_of_machines(
    service: str, method: str, path: str, operation: dict[str, Any]
) -> None:
    known = known_of(operation)
    answer = ask(CLIENTS[service], method, path, "unheardOf=1")
    is_refused = answer.status_code == 422 and "unheardOf" in answer.text

    assert is_refused == (path not in TOLERANT)
    assert ("422" in operation["responses"]) == (path not in TOLERANT)
    if is_refused:
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        expected = ", ".join(known) or "no query parameter"
        assert problem["detail"] == f"Unknown query parameter 'unheardOf': expected {expected}."
        assert problem["errors"] == [
            {"path": "unheardOf", "expected": expected, "got": "an unknown name"}
        ]


@pytest.mark.parametrize(("service", "method", "path", "operation"), ALL)
def test_no_route_refuses_those_that_it_describes(
    service: str, method: str, path: str, operation: dict[str, Any]
) -> None:
    query = "&".join(f"{name}=1" for name in known_of(operation))
    assert "Unknown query parameter" not in ask(CLIENTS[service], method, path, query).text


def test_parameters_are_told_apart_by_their_case(control: Control) -> None:
    assert control.client.get("/v1/backtests?Limit=1").status_code == 422
    assert control.client.get("/v1/backtests?limit=1").status_code == 200


def test_each_unknown_one_is_named(control: Control) -> None:
    problem = control.client.get(f"/v1/backtests?limit=1&status=failed&{'x' * 300}=1").json()
    assert [error["path"] for error in problem["errors"]] == ["status", "x" * 80]


def test_nothing_is_done_by_a_request_that_is_refused(control: Control) -> None:
    running = a_running_job(control.store)
    answer = control.client.post(f"/v1/backtests/{running.job.job_id}/cancel?force=1")
    assert answer.status_code == 422
    assert not control.job(running.job.job_id).cancel_requested


def test_a_head_is_refused_as_its_get(control: Control) -> None:
    assert control.client.head("/v1/backtests?page=2").status_code == 422


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/docs", "/openapi.json"])
def test_pages_take_any(control: Control, path: str) -> None:
    assert control.client.get(f"{path}?utm_source=mail").status_code == 200


@pytest.mark.parametrize(
    ("service", "path"), [("worker", "/pubsub/push"), ("control", "/events/firestore")]
)
def test_a_delivery_with_what_the_platform_adds_is_acknowledged(service: str, path: str) -> None:
    """A refusal would bring it again, and slow every other delivery down."""
    assert CLIENTS[service].post(f"{path}?{ADDED}", content=b"?").status_code == 204


def test_a_sweep_with_what_a_scheduler_adds_is_done(control: Control) -> None:
    assert control.client.post("/tasks/sweep?attempt=2").json()["failed"] == []
