"""Every answer of the control service tells a browser that it may do nothing with it."""

import pytest

from tests.support.control import CONFIG, make_control
from worker.adapters.memory import MemoryJobStore
from worker.entrypoints.security_headers import DEFAULTS


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/nowhere", 404), ("/v1/backtests?limit=x", 422)]
)
def test_answers_good_and_bad_have_them(path: str, status: int) -> None:
    answer = make_control().client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in DEFAULTS} == dict(DEFAULTS)


def test_an_answer_to_another_name_has_them() -> None:
    answer = make_control().client.get("/health", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert {name: answer.headers.get(name) for name in DEFAULTS} == dict(DEFAULTS)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {"configUsed": CONFIG})])
def test_so_has_the_answer_to_a_bug(
    method: str, body: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent outside of all middleware."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("password=hunter2")

    control = make_control()
    monkeypatch.setattr(MemoryJobStore, "jobs_of", fail)
    monkeypatch.setattr(MemoryJobStore, "create", fail)
    answer = control.client.request(method, "/v1/backtests", json=body)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert {name: answer.headers.get(name) for name in DEFAULTS} == dict(DEFAULTS)
