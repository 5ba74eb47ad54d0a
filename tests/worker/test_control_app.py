"""Probes, documentation, and errors that no route answers."""

import threading
from datetime import datetime

import anyio
import anyio.to_thread
import httpx
import pytest

import engine
from tests.support.control import CONFIG, OWN, Control, make_control


@pytest.fixture
def control() -> Control:
    return make_control()


def test_health(control: Control) -> None:
    body = control.client.get("/health").json()
    assert set(body) == {"status", "version", "engineVersion", "timestamp"}
    assert (body["status"], body["engineVersion"]) == ("healthy", engine.ENGINE_VERSION)
    assert datetime.fromisoformat(body["timestamp"]).utcoffset() is not None


def test_health_does_not_ask_the_store(control: Control) -> None:
    control.store.fail("ping", "get")
    assert control.client.get("/health").status_code == 200


def test_health_is_answered_while_every_thread_waits_for_the_store(control: Control) -> None:
    over = threading.Event()

    answers: list[int] = []

    async def occupy_the_thread() -> None:
        await anyio.to_thread.run_sync(over.wait)

    async def ask() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        transport = httpx.ASGITransport(control.client.app)
        async with (
            httpx.AsyncClient(transport=transport, base_url=OWN) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(occupy_the_thread)
            await anyio.wait_all_tasks_blocked()
            try:
                with anyio.fail_after(10):
                    answers.append((await client.get("/health")).status_code)
            finally:
                over.set()

    anyio.run(ask)
    assert answers == [200]


def test_ready_asks_the_store(control: Control) -> None:
    assert control.client.get("/ready").status_code == 200
    control.store.fail("ping")
    answer = control.client.get("/ready")
    assert answer.status_code == 503
    assert "store" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/backtests", 405), ("GET", "/healthz", 404)],
)
def test_the_frameworks_errors_are_problems_too(
    control: Control, method: str, path: str, status: int
) -> None:
    answer = control.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_error_of_ours_tells_nothing_of_the_inside(control: Control) -> None:
    control.store.fail("get", error=RuntimeError("secret"))
    answer = control.client.get("/v1/backtests/job-1")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_the_documentation_describes_a_submission(control: Control) -> None:
    paths = control.client.get("/openapi.json").json()["paths"]

    body = paths["/v1/backtests"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == {
        "configUsed",
        "priority",
        "engineVersion",
        "timeoutSeconds",
    }
    assert set(body["examples"]) == {"ownPrices", "wheel", "smaCross"}
    assert set(paths) == {
        "/events/firestore",
        "/tasks/sweep",
        "/v1/backtests",
        "/v1/candles",
        "/v1/backtests/{job_id}",
        "/v1/backtests/{job_id}/report",
        "/v1/backtests/{job_id}/result",
        "/v1/backtests/{job_id}/artifacts/{name}",
        "/v1/backtests/{job_id}/cancel",
        "/v1/backtests/estimate",
        "/v1/bundles",
        "/v1/bundles/{bundle_id}",
        "/v1/bundles/{bundle_id}/variants",
        "/v1/bundles/{bundle_id}/variants/{index}/result",
        "/v1/bundles/{bundle_id}/cancel",
        "/health",
        "/ready",
        "/metrics",
    }


def test_the_documented_examples_can_be_submitted(control: Control) -> None:
    paths = control.client.get("/openapi.json").json()["paths"]
    content = paths["/v1/backtests"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        engine.parse_config(example["value"]["configUsed"])
        answer = control.client.post("/v1/backtests", json=example["value"])
        assert answer.status_code == 201, answer.text


def test_submissions_are_counted(control: Control) -> None:
    control.client.post("/v1/backtests", json={"configUsed": CONFIG})
    control.client.post("/v1/backtests", json={})
    counted = 'backtest_control_submissions_total{outcome="%s"}'
    assert control.metric(counted % "created") == 1
    assert control.metric(counted % "refused") == 1


def test_the_services_are_closed_with_the_app(control: Control) -> None:
    with control.client:
        assert not control.doorbell.is_closed
    assert control.doorbell.is_closed
