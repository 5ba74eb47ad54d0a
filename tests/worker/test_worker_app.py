"""Probes, metrics, error answers and callers of the worker service."""

from typing import Any

import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.workers import make_worker, raising
from worker.settings import SettingsError


def test_health_says_what_is_running() -> None:
    answer = make_worker().client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"
    assert answer.json()["engineVersion"] == "1.0.0"
    assert set(answer.json()) == {"status", "version", "engineVersion", "timestamp"}


def test_ready_needs_warm_kernels() -> None:
    parts = make_worker()
    assert parts.client.get("/ready").status_code == 503
    assert "kernels" in parts.client.get("/ready").json()["detail"]
    parts.worker.warm_up.run()
    assert parts.client.get("/ready").status_code == 200


def test_kernels_are_warmed_at_start_up() -> None:
    parts = make_worker()
    with parts.client:
        assert parts.worker.warm_up.done.wait(PATIENCE_SECONDS)
        assert parts.client.get("/ready").status_code == 200


def test_kernels_that_cannot_be_loaded_keep_it_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_worker()
    monkeypatch.setattr(parts.engine, "_run", raising(OSError("no cache")))
    monkeypatch.setattr(parts.worker.warm_up, "_calls", parts.engine.calls)
    parts.worker.warm_up.run()
    assert parts.client.get("/ready").status_code == 503


def test_ready_needs_the_store() -> None:
    parts = make_worker()
    parts.worker.warm_up.run()
    parts.store.fail("ping")
    answer = parts.client.get("/ready")
    assert answer.status_code == 503
    assert "store" in answer.json()["detail"]


def test_a_worker_that_shuts_down_is_not_ready() -> None:
    parts = make_worker()
    parts.worker.warm_up.run()
    parts.worker.shutdown.set()
    assert parts.client.get("/ready").status_code == 503


def test_metrics_have_one_prefix_and_no_ids() -> None:
    parts = make_worker()
    parts.queue("job-with-a-name")
    parts.drain()
    text = parts.client.get("/metrics").text
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert samples
    assert all(line.startswith("backtest_") for line in samples)
    assert 'backtest_jobs_ended_total{error_code="",status="completed"} 1.0' in samples
    assert "job-with-a-name" not in text
    assert "ann" not in text


def test_the_end_of_the_server_ends_the_worker() -> None:
    parts = make_worker()
    with parts.client:
        assert not parts.worker.shutdown.is_set()
    assert parts.worker.shutdown.is_set()
    assert parts.doorbell.is_closed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/run", 405), ("PUT", "/pubsub/push", 405)],
)
def test_the_frameworks_errors_are_problems_too(method: str, path: str, status: int) -> None:
    answer = make_worker().client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_error_of_ours_tells_nothing() -> None:
    parts = make_worker()
    parts.worker.warm_up.run()
    parts.store.fail("ping", error=ZeroDivisionError("/srv/secret"))
    answer = parts.client.get("/ready")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


@pytest.mark.parametrize("settings", [{}, {"oidc_audiences": "https://worker"}])
def test_it_does_not_serve_the_network_unchecked(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="OIDC_CALLERS"):
        make_worker(host="0.0.0.0", **settings)


def test_behind_iam_nobody_is_asked_for_a_token() -> None:
    parts = make_worker(host="0.0.0.0", worker_auth="iam")
    headers = {"Authorization": "Bearer a.b.SIGNATURE_REMOVED_BY_GOOGLE"}
    answer = parts.client.post("/pubsub/push", content=b'{"jobId": "x"}', headers=headers)
    assert answer.status_code == 204
